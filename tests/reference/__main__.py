"""`make reference`: write the tables of docs/reference/ anew from the code."""

from tests.reference.pages import pages, renewed

for path in pages():
    before = path.read_text()
    after = renewed(before)
    if after != before:
        path.write_text(after)
        print(f"written  {path.name}")
