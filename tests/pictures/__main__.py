"""`make pictures`: draw the diagrams of docs/, and photograph the admin page in a browser."""

import sys

from tests.admin.browser import find_browser
from tests.pictures.admin import photograph
from tests.pictures.pages import PICTURES, pictures

for picture in pictures():
    (PICTURES / picture.file).write_text(picture.svg)
    print(f"drawn    docs/pictures/{picture.file}")
if find_browser() is None:
    print("NO BROWSER FOUND, SO THE ADMIN PAGE IS NOT PHOTOGRAPHED", file=sys.stderr)
else:
    for path in photograph():
        print(f"taken    docs/admin/{path.name}")
