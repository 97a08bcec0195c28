"""What a trained model can do with dense attention: loss by context length, and recall of planted facts."""
import numpy as np
import torch

from facts import NAMES

FACTS = 8  #: in each document of the recall measure
DOCUMENTS = 4  #: of each scenario


@torch.no_grad()
def loss_by_context(model, documents, contexts, device):
    """{context: {scenario: mean loss in nats per token}} over the first tokens of long enough documents."""
    result = {}
    for context in contexts:
        losses = {}
        for name, ids in documents.items():
            scenario = name.split("/")[0]
            if len(ids) > context and len(losses.setdefault(scenario, [])) < DOCUMENTS:
                tokens = torch.from_numpy(ids[None, :context + 1].astype(np.int64)).to(device)
                losses[scenario].append(model.losses(tokens).mean().item())
        result[context] = {scenario: float(np.mean(values)) for scenario, values in losses.items() if values}
    return result


@torch.no_grad()
def recall_by_context(model, documents, facts, contexts, device, seed):
    """{context: share of the digits that the model would say, of facts asked at the end}."""
    result = {}
    for context in contexts:
        rng = np.random.default_rng([seed, context])
        right = asked = 0
        for ids in [ids for ids in documents.values() if len(ids) >= context][:3 * DOCUMENTS]:
            tokens, answers = facts.plant(rng, ids[:context], min(FACTS, len(NAMES), context // 128), True)
            tokens = torch.from_numpy(tokens[None].astype(np.int64)).to(device)
            answers = torch.from_numpy(answers[1:]).to(device)
            said = model(tokens[:, :-1])[0].argmax(-1)
            right += (said == tokens[0, 1:])[answers].sum().item()
            asked += answers.sum().item()
        if asked:
            result[context] = right / asked
    return result
