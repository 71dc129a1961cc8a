"""`make pictures`: draw the diagrams of docs/, and photograph the admin page in a browser."""

from tests.pictures.admin import photograph
from tests.pictures.pages import PICTURES, pictures

for picture in pictures():
    (PICTURES / picture.file).write_text(picture.svg)
    print(f"drawn    docs/pictures/{picture.file}")
for path in photograph():
    print(f"taken    docs/admin/{path.name}")
