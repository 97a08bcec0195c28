"""Files of kind "tokens": documents as token ids."""
import numpy as np

from .files import HalftoneFileError, create_file, open_file


def write_tokens(path, documents, *, vocab_size, command=None, seed=0):
    """documents: {name: (ids, scenario, title)}, a name like "books/00". Ids are uint16 where the vocabulary fits."""
    if not documents:
        raise HalftoneFileError(f"{path}: no document, expected at least one")
    with create_file(path, "tokens", command=command, seed=seed) as file:
        file.attrs["vocab_size"] = vocab_size
        for name, (ids, scenario, title) in documents.items():
            ids = np.asarray(ids)
            if ids.size == 0 or ids.min() < 0 or ids.max() >= vocab_size:
                raise HalftoneFileError(f"{path}: document {name}: expected at least one token, all below {vocab_size}")
            dataset = file.create_dataset(name, data=ids.astype(np.uint16 if vocab_size <= 1 << 16 else np.uint32),
                                          compression="gzip", shuffle=True)
            dataset.attrs.update(scenario=scenario, title=title, units="1", description="token ids")


def read_tokens(path):
    """{name: ids} of every document."""
    documents = {}

    def take(name, item):
        if hasattr(item, "shape"):
            documents[name] = item[()]

    with open_file(path, "tokens") as file:
        file.visititems(take)
    return documents
