"""Files of kind "tokens": documents as token ids."""
import numpy as np

from .files import HalftoneFileError, create_file, open_file


def write_tokens(path, documents, *, vocab_size, answers=None, command=None, seed=0):
    """documents: {name: (ids, scenario, title)}, a name like "books/00". Ids are uint16 where the vocabulary fits.
    answers: {name: ascending places of the tokens that a model is asked for}, for some of the documents."""
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
        for name, places in (answers or {}).items():
            places = np.asarray(places, np.int64)
            length = len(documents[name][0])
            if places.size == 0 or places[0] < 1 or places[-1] >= length or (np.diff(places) <= 0).any():
                raise HalftoneFileError(f"{path}: answers of {name}: expected ascending places from 1 to {length - 1}")
            dataset = file.create_dataset(f"answers/{name}", data=places)
            dataset.attrs.update(units="1", description="places of the tokens that a model is asked for")


def read_tokens(path):
    """{name: ids} of every document."""
    documents = {}

    def take(name, item):
        if hasattr(item, "shape") and not name.startswith("answers/"):
            documents[name] = item[()]

    with open_file(path, "tokens") as file:
        file.visititems(take)
    return documents


def read_answers(path):
    """{name: places of the tokens that a model is asked for} of the documents that ask for any."""
    with open_file(path, "tokens") as file:
        answers = {}
        if "answers" in file:
            file["answers"].visititems(lambda name, item: answers.update({name: item[()]} if hasattr(item, "shape") else {}))
        return answers
