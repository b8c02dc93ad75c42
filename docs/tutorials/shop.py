# %% [markdown]
# # A shop, from raw files to a judged run
#
# Run it as a script (`python docs/tutorials/shop.py`), or cell by cell in an editor that knows `# %%`. It works in the
# current folder. The shop here is invented; to use your own, put your tables into `raw/` and leave out the first cell.

# %% Raw files, as an export might leave them: a semicolon here, other names there
import os
from pathlib import Path

import polars as pl

import polyscene as ps
from polyscene.sample.world import SampleWorld

USERS = int(os.environ.get("TUTORIAL_USERS", "400"))
raw = Path("raw")
raw.mkdir(exist_ok=True)
SampleWorld.generate(users=USERS, items_per_scenario=60, days=40).write(Path("invented"))
products = pl.read_parquet("invented/shop/items.parquet")
orders = pl.read_parquet("invented/shop/events.parquet")
products.rename({"item_id": "sku"}).write_csv(raw / "products.csv", separator=";")
orders.rename({"user_id": "customer", "item_id": "sku"}).write_csv(raw / "orders.csv")

# %% What is in them? The draft says of every guess why, and what it is not sure of
from polyscene.data.drafting.project import guess_project

draft = guess_project([raw])
print(draft.to_toml())
print("please decide:", draft.decisions or "nothing")
Path("polyscene.toml").write_text(draft.to_toml(), encoding="utf-8")

# %% Look at every row before anything is learned
project = ps.Project.open("polyscene.toml")
report = project.check()
for problem in report.problems:
    print(problem.severity, problem)
assert report.ok

# %% What would something plain do? A minute spent here puts every later number into its place
plain = project.compare(["popularity", "random", "item_knn"])
print(plain)

# %% Train, and judge on what came last
run = project.train()
results = project.evaluate(run)
table = results.to_frame()
print(table.select("model", "hr@10", "ndcg@10", "coverage@10"))
for note in run.notes:
    print("note:", note)
print("report:", run.folder / "report.html")

# %% Is it ahead? The interval says what these choices can tell
lead = results.judgements[0].difference(cutoff=10)
assert lead is not None
rival, interval = lead
print(f"against {rival}: {interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]")

# %% What would people see? Read a few slates before you believe any number
somebody = run.users()[0]
for place in run.recommend(somebody, k=5):
    print(f"{place.item.text}: {place.reason}")

# %% For the newsletter: everybody at once, only what costs less than 30
slates = run.recommend_many(k=3, where="price < 30")
slates.write("newsletter.csv")
print(len(slates), "slates in newsletter.csv")
