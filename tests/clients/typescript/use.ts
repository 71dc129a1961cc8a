// A client in TypeScript, as its users would write it. A test makes schema.d.ts, compiles this, and runs it against a
// service; what must not compile has to say so.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string>; stdout: { write(text: string): void } };

type Permission = components["schemas"]["Permission"];

const execute: Permission = "flow_pipeline:execute";
// @ts-expect-error: it is none of the five.
const unknown: Permission = "flow_pipeline:fly";

const client = createClient<paths>({
  baseUrl: process.env.SERVER,
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
});

const listed = await client.GET("/api/v1/flow/pipeline", { params: { query: { permission: execute } } });
if (listed.error) {
  throw new Error(listed.error.msg);
}
const asked = listed.data.pipelines.slice(0, 2).map((pipeline) => pipeline.id);

await client.PUT("/api/v1/jobs/{job_id}", { params: { path: { job_id: "ts:1" } }, body: { name: "from TypeScript" } });
const updated = await client.POST("/api/v1/jobs/pipelines", { body: { job_id: "ts:1", pipeline_ids: asked } });
if (updated.error) {
  throw new Error(updated.error.msg);
}

// @ts-expect-error: pipeline_ids is missing.
const refused = await client.POST("/api/v1/jobs/pipelines", { body: { job_id: "ts:1" } });
const missing = await client.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: "none" } } });
const code: components["schemas"]["Code"] | undefined = missing.error?.code;

process.stdout.write(
  JSON.stringify({
    mayExecute: listed.data.pipelines.every((pipeline) => pipeline.permissions.includes(execute)),
    asked,
    updated: updated.data.updated_pipelines.map((pipeline) => pipeline.flowPipelineId),
    failure: { status: missing.response.status, code },
    unknown,
    refused: refused.response.status,
  }),
);
