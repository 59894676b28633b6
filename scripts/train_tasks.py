# ruff: noqa: E501 - phrases read best on one line
"""Train the task classifier and write `src/passerelle/catalog/data/tasks.json`.

It learns from prompts put together from the phrases below, all of them ours, in English and French. With
`--data FOLDER` it also learns from half of the task labels of the outcome data there and is tried on the other
half (RouteLLM @0b64fda, Apache-2.0; LLMRouter @4e7a796, MIT). Whole phrases are held out for the accuracy that is
written beside the weights. Deterministic.
"""

import argparse
import base64
import json
import zlib
from pathlib import Path

import numpy as np

from passerelle.router.classify import READ_CHARS
from passerelle.router.embed import BUCKETS, buckets
from passerelle.router.quality.base import cut

OUT = Path(__file__).resolve().parent.parent / "src/passerelle/catalog/data/tasks.json"
STEPS, RATE, DECAY = 300, 30.0, 2e-5
SAMPLES = 260

SUBJECTS = """the quarterly report|our new office in Lyon|a broken washing machine|the history of Rome|solar panels
customer complaints|a delayed shipment|the training budget|a wedding speech|electric cars|the board meeting
le rapport trimestriel|notre nouveau bureau|une panne de chaudière|l'histoire de France|les voitures électriques
les plaintes des clients|une livraison en retard|la réunion du conseil|le budget de formation""".replace(
    "\n", "|"
)
NAMES = "Anna|Malik|Sofia|Jean|Claire|Omar|Lucie|Tom|Mei|Paul"
FUNCTIONS = "parse_date|merge_sorted|fetch_user|total_price|is_prime|read_config|flatten|retry|to_slug|chunk"
LANGUAGES = "Python|JavaScript|Rust|Go|SQL|TypeScript|Java|C++|bash"
TONGUES = "French|English|Spanish|German|Italian|anglais|français|allemand|espagnol|arabe"
LINES = """The supplier confirmed that the parts will arrive on Thursday and asked for a signature.|Revenue rose by
eight percent while costs stayed flat, and two sites were closed during the summer.|Le comité a validé le calendrier
et demande un point d'étape avant la fin du mois.|Nous avons reçu votre courrier du 3 mars concernant la facture
n° 4471 d'un montant de 1 280 euros.|Several participants said the room was cold; the next session moves to the
library.|L'équipe technique a corrigé le défaut, mais deux clients signalent encore des lenteurs.""".replace(
    "\n", " "
)

PHRASES: dict[str, tuple[str, ...]] = {
    "code": (
        "Write a {lang} function `{fun}` that takes a list and returns the result. Add tests.",
        "Why does this fail?\n```\ndef {fun}(x):\n    return x[{n}]\n```\nIndexError: list index out of range",
        "Refactor this {lang} class to remove the duplicated loop and keep the API.",
        'def {fun}(items: list[int]) -> int:\n    """Return the value asked for.\n    >>> {fun}([1, {n}])\n    """',
        "Fix the failing unit test in {fun} and explain the bug in the diff.",
        "Écris une fonction {lang} `{fun}` qui renvoie les éléments triés, avec des tests.",
        "Pourquoi ce code {lang} lève-t-il une exception ? `{fun}({n})`",
        "How do I write a SQL query that joins orders and customers and groups by month?",
        "Comment corriger cette erreur de compilation en {lang} dans la méthode {fun} ?",
        "Review this pull request: it renames {fun}, adds a cache and changes the import.",
        "const {fun} = (a) => a.map(x => x * {n}); // make it async",
        "Write a regex that matches an ISO date, and a Dockerfile for a {lang} service.",
    ),
    "maths": (
        "{name} has {n} apples and buys {m} more each day. How many apples after {k} days?",
        "Solve for x: {n}x + {m} = {k}.",
        "Compute the derivative of x^{k} + {n}x.",
        "What is the probability of drawing {k} red balls out of {n}?",
        "If $x + y = {n}$ and $xy = {m}$, what is $x^2 + y^2$?",
        "A train travels {n} km in {k} hours. What is its average speed?",
        "{name} achète {n} cahiers à {k} euros et rend {m} cahiers. Combien a-t-il dépensé ?",
        "Calcule la dérivée de {n}x^{k} et résous l'équation {n}x = {m}.",
        "Find the area of a triangle with sides {n}, {m} and {k}.",
        "Démontre que la somme des {n} premiers entiers vaut n(n+1)/2.",
        "How much interest does {n} dollars earn at {k} percent over {m} months?",
        "Evaluate \\int_0^{k} {n}x dx and simplify \\frac{{{n}}}{{{m}}}.",
    ),
    "extraction": (
        "Extract all names, dates and amounts from the text below as JSON.\n{line}",
        "From this email, give me the invoice number, the total and the due date:\n{line}",
        "List every company mentioned in the following text, one per line: {line}",
        "Extrais les noms, les dates et les montants de ce texte au format JSON :\n{line}",
        "Relève le numéro de facture et le montant dans ce courrier : {line}",
        "Fill this schema {{name, date, total}} with the values found here: {line}",
        "Which of the fields vendor, city and price appear in this document? Return a table. {line}",
        "Donne-moi sous forme de tableau les entités citées dans ce passage : {line}",
        "Pull out the email addresses and phone numbers from this page. {line}",
        "Classify each sentence by topic and return the labels as a list. {line}",
        "Identifie et renvoie les champs fournisseur, ville et prix de ce document. {line}",
    ),
    "summarising": (
        "Summarise the following text in three sentences.\n{line} {line}",
        "Give me the key points of this meeting: {line} {line}",
        "TL;DR of this article please: {line} {line}",
        "Write an executive summary of these notes for the board. {line} {line}",
        "Résume ce texte en trois phrases.\n{line} {line}",
        "Fais une synthèse de cette réunion et liste les décisions : {line} {line}",
        "Condense this report into five bullet points. {line} {line}",
        "Quels sont les points clés de cet article ? {line} {line}",
        "What are the main takeaways from this document? {line} {line}",
        "Shorten this to one paragraph and keep the figures. {line} {line}",
        "Donne un résumé court de ce rapport pour la direction. {line} {line}",
    ),
    "translation": (
        "Translate into {tongue}: {line}",
        'How do you say "{subject}" in {tongue}?',
        "Traduis en {tongue} : {line}",
        "Please translate the following letter to {tongue}, formal tone.\n{line}",
        "Traduisez ce paragraphe vers l'{tongue} en gardant le ton : {line}",
        "What is the {tongue} translation of this sentence? {line}",
        "Comment dit-on « {subject} » en {tongue} ?",
        "Give the {tongue} version of this text and keep the markup. {line}",
        "Donne la version en {tongue} du message suivant : {line}",
        "Localise these interface strings into {tongue}: Save, Cancel, {subject}",
    ),
    "reasoning": (
        "If all A are B and some B are C, which statement must be true?\nA. All A are C\nB. Some A may be C\nC. No A is C",
        "{name} sits left of {name2}, who is not next to {name}. Who is in the middle? Explain step by step.",
        "Which of the following best explains {subject}?\nA. cost\nB. law\nC. chance\nD. habit\nAnswer:",
        "Compare two strategies for {subject}, weigh the risks and recommend one.",
        "Si tous les A sont B et aucun B n'est C, laquelle de ces affirmations est vraie ?\nA. {subject}\nB. l'inverse",
        "There are {k} houses in a row. The owner of each likes a different drink. Who owns the cat?",
        "Why would {subject} lead to a shortage? Think through causes and consequences.",
        "Analyse les causes et les conséquences : {subject}. Raisonne étape par étape.",
        "What is wrong with this argument about {subject}? Find the hidden assumption.",
        "Quel est le défaut de ce raisonnement sur {subject} ? Justifie.",
        "A doctor must choose between two treatments; given the findings, which is most likely correct?\nA. one\nB. two",
        "Plan the steps and dependencies needed for {subject}, then find the critical path.",
    ),
    "chat": (
        "Hi! How are you today?",
        "Tell me something fun about {subject}.",
        "Write a short friendly email to {name} about {subject}.",
        "Bonjour, peux-tu m'aider avec {subject} ?",
        "What do you think about {subject}?",
        "Écris un petit mot gentil à {name} à propos de {subject}.",
        "Give me ideas for a birthday present for {name}.",
        "Who wrote the first book about {subject}?",
        "Write a poem about {subject} and {name}.",
        "Raconte-moi une histoire courte avec {name} et {subject}.",
        "Which band sang about {subject} in the eighties?",
        "Merci beaucoup, et sinon que penses-tu de {subject} ?",
        "Suggest a slogan for {subject}.",
    ),
    "tool use": (
        "Search the web for {subject} and open the first result.",
        "Book a meeting with {name} on Thursday at {k} pm and send the invite.",
        "Call the weather tool for Paris and tell me whether to take an umbrella.",
        "Use the calculator and the calendar to schedule {subject}.",
        "Cherche sur internet {subject} et ouvre le premier résultat.",
        "Réserve une salle pour {name} jeudi et envoie l'invitation.",
        "Look up order {n} in the database and update its status to shipped.",
        "Create a ticket for {subject}, assign it to {name} and post it in the channel.",
        "Crée un ticket pour {subject} et assigne-le à {name}.",
        "Run the command, read the file and list the directory.",
    ),
    "vision": (
        "What is shown in this image?",
        "Describe the photo and read the text on the sign.",
        "Que vois-tu sur cette image ?",
        "Décris la photo ci-jointe et lis le texte du panneau.",
        "Look at the attached screenshot and tell me which button is highlighted.",
        "How many people are in the picture, and what colour is the car?",
        "Combien de personnes y a-t-il sur la photo jointe ?",
        "Transcribe the handwriting in this scanned page.",
        "Is the chart in the attached picture a bar chart or a pie chart?",
        "Transcris l'écriture de cette page numérisée.",
    ),
}  # fmt: skip
LABELS = {"gsm8k": "maths", "math": "maths", "agentverse-mgsm": "maths", "human_eval": "code", "mmlu": "reasoning",
          "openbook_qa": "reasoning", "arc_challenge": "reasoning", "agentverse-logicgrid": "reasoning",
          "trivia_qa": "chat", "commongen": "chat"}  # fmt: skip


def written(phrases: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """`count` prompts from the phrases."""

    def one(choices: str) -> str:
        options = choices.split("|")
        return options[int(rng.integers(len(options)))]

    found = []
    for _ in range(count):
        phrase = phrases[int(rng.integers(len(phrases)))]
        text = phrase.format(
            lang=one(LANGUAGES), fun=one(FUNCTIONS), name=one(NAMES), name2=one(NAMES), line=one(LINES),
            tongue=one(TONGUES), subject=one(SUBJECTS), n=int(rng.integers(2, 400)), m=int(rng.integers(2, 90)),
            k=int(rng.integers(2, 12)),
        )  # fmt: skip
        around = rng.random()
        if around < 0.12:
            text = f"{one('Please|Hello,|Bonjour,|Hey —|S’il te plaît,|Could you help?')} {text}"
        elif around < 0.2:
            text = text.lower()
        found.append(text)
    return found


def seen(texts: list[str]) -> np.ndarray:
    """Rows as `Classifier` makes them."""
    rows = np.log1p(np.stack([buckets(cut(text, READ_CHARS)) for text in texts]).astype(np.float32))
    return rows / (np.sqrt((rows * rows).sum(axis=1, keepdims=True)) + 1e-9)


def train(rows: np.ndarray, goal: np.ndarray, tasks: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias by gradient descent with momentum."""
    hot = np.eye(tasks, dtype=np.float32)[goal]
    share = (1 / hot.sum(axis=0))[goal][:, None] / tasks
    weights, bias = np.zeros((BUCKETS, tasks), np.float32), np.zeros(tasks, np.float32)
    pace, bias_pace = np.zeros_like(weights), np.zeros_like(bias)
    for _ in range(STEPS):
        score = rows @ weights + bias
        score = np.exp(score - score.max(axis=1, keepdims=True))
        wrong = (score / score.sum(axis=1, keepdims=True) - hot) * share
        pace = 0.9 * pace - RATE / 10 * (rows.T @ wrong + DECAY * weights)
        bias_pace = 0.9 * bias_pace - RATE / 100 * wrong.sum(axis=0)
        weights, bias = weights + pace, bias + bias_pace
    return weights, bias


def labelled(folder: Path) -> tuple[list[str], list[str]]:
    """Prompts of the outcome data with what their task is."""
    import pyarrow.parquet as parquet

    nine = parquet.read_table(folder / "nine_models.parquet", columns=["prompt", "task"]).to_pydict()
    return nine["prompt"], [LABELS[task] for task in nine["task"]]


def main() -> None:
    """Train, try, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of nine_models.parquet")
    given = parser.parse_args()
    names = tuple(sorted(PHRASES))
    rng = np.random.default_rng(20261122)
    prompts: list[str] = []
    goals: list[int] = []
    held: dict[str, tuple[list[str], list[int]]] = {"phrases held out": ([], [])}
    final: tuple[list[str], list[int]] = ([], [])
    for place, name in enumerate(names):
        order = rng.permutation(len(PHRASES[name]))
        out, kept = order[:2], order[2:]
        texts = written(tuple(PHRASES[name][k] for k in kept), SAMPLES, rng)
        prompts += texts
        goals += [place] * len(texts)
        tried = written(tuple(PHRASES[name][k] for k in out), 40, rng)
        held["phrases held out"][0].extend(tried)
        held["phrases held out"][1].extend([place] * len(tried))
        final[0].extend(tried)
        final[1].extend([place] * len(tried))
    if given.data:
        texts, labels = labelled(given.data)
        order = rng.permutation(len(texts))
        half = len(order) // 2
        prompts += [texts[k] for k in order[:half]]
        goals += [names.index(labels[k]) for k in order[:half]]
        held["outcome data held out"] = (
            [texts[k] for k in order[half:]],
            [names.index(labels[k]) for k in order[half:]],
        )
    weights, bias = train(seen(prompts), np.array(goals), len(names))
    accuracy = {
        what: round(float((np.argmax(seen(texts) @ weights + bias, axis=1) == np.array(goal)).mean()), 3)
        for what, (texts, goal) in held.items()
    }
    print(accuracy)  # noqa: T201 - it is asked for
    # What is shipped has learned from the held phrases too; how good it is was measured without them.
    weights, bias = train(seen(prompts + final[0]), np.array(goals + final[1]), len(names))
    step = float(np.abs(weights).max() / 127)
    packed = zlib.compress(np.rint(weights / step).astype(np.int8).tobytes(), 9)
    page = {
        "provenance": "scripts/train_tasks.py on prompts of our own"
        + (", and half of the task labels of LLMRouter @4e7a796 (MIT)" if given.data else ""),
        "accuracy": accuracy,
        "names": names,
        "buckets": BUCKETS,
        "step": step,
        "bias": [round(float(b), 4) for b in bias],
        "weights": base64.b64encode(packed).decode(),
    }
    OUT.write_text(json.dumps(page, indent=1) + "\n")


if __name__ == "__main__":
    main()
