"""A TypeScript client: types that openapi-typescript makes of the document, and openapi-fetch, which goes by them."""

import json
import shutil
from pathlib import Path

from tests.clients.node import ROOT, TYPESCRIPT, node, output_of, tool


def test_generated_typescript_client_lists_updates_and_tells_failures(running: dict[str, str], tmp_path: Path) -> None:
    generator, compiler = tool(TYPESCRIPT, "openapi-typescript"), tool(ROOT, "tsc")
    for each in ("use.ts", "tsconfig.json", "package.json"):
        shutil.copy(TYPESCRIPT / each, tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")

    output_of(generator, f"{running['SERVER']}/openapi.json", "--output", "schema.d.ts", cwd=tmp_path)
    output_of(compiler, "--project", "tsconfig.json", cwd=tmp_path)
    seen = json.loads(output_of(node(), "use.js", cwd=tmp_path, **running))

    assert seen["mayExecute"] is True
    assert seen["updated"] == seen["asked"] != []
    assert seen["failure"] == {"status": 404, "code": "NOT_FOUND"}
