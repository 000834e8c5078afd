"""A small school, and every estimator fitted to it once."""

from __future__ import annotations

import pytest

import mastery as ms


@pytest.fixture(scope="session")
def school():
    """Twenty-five students over forty days."""
    return ms.simulate(students=25, days=40, seed=3, topics=5)


@pytest.fixture(scope="session")
def fitted(school):
    """Estimators that fold, by a name of their own, fitted to the school."""
    models = {
        "RuleBased": ms.RuleBased(),
        "RuleBased unfitted": ms.RuleBased(),
        "BKT": ms.BKT(forgetting="both"),
        "Elo": ms.Elo(chapters={topic: topic[:4] for topic in school.answers.topics}),
        "IRT": ms.IRT(),
        "LinearRNN": ms.LinearRNN(),
        "LinearRNN unconstrained": ms.LinearRNN(monotone=False),
    }
    return {name: model if "unfitted" in name else model.fit(school.answers) for name, model in models.items()}


@pytest.fixture(scope="session")
def blend(school):
    """A blend, and with it boosted trees, fitted to the school."""
    return ms.Blend().fit(school.answers)
