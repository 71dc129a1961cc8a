"""`make client`: write the Python client's modules, and its reference, anew from the method table."""

from tests.python_client.files import files

if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
