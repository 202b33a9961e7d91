# with_polars.py QUESTION FILE [FILE2 [OUTPUT]] - what ours.lua does, with polars as its users write it for speed: lazy,
# the types given, only the columns that are asked for, the streaming engine.
import sys

import polars as pl

from clock import answer

c = pl.col


def done(plan):
    return plan.collect(engine="streaming").iter_rows()


def quantile(name, q):
    return c(name).quantile(q, interpolation="linear").alias("q%s" % q)


def challenge(path):
    t = pl.scan_csv(path, separator=";", has_header=False, quote_char=None, schema={"s": pl.String, "t": pl.Float64})
    t = t.group_by("s").agg(c("t").min().alias("lo"), c("t").mean().alias("mean"), c("t").max().alias("hi"))
    return done(t.sort("s"))


def sales(path):
    t = pl.scan_csv(path, schema_overrides={"region": pl.String, "product": pl.String, "amount": pl.Float64})
    amount = c("amount")
    t = t.group_by("region", "product").agg(
        pl.len(), amount.sum().alias("sum"), amount.mean().alias("mean"), quantile("amount", 0.5), quantile("amount", 0.95)
    )
    return done(t.top_k(20, by="sum").sort("sum", descending=True))


def joined(path, other, **options):
    facts = pl.scan_csv(path, schema={"user": pl.Int64, "quantity": pl.Int64, "price": pl.Float64}, quote_char=None)
    users = pl.scan_csv(other, schema={"user": pl.Int64, "name": pl.String, "country": pl.String}, quote_char=None)
    return facts.join(users, on="user", **options)


def join(path, other):
    t = joined(path, other).group_by("country").agg(pl.len(), c("quantity").sum(), c("price").sum())
    return done(t.sort("country"))


def write(path, other, output):
    # In the order of the rows, as ours; without that polars takes as long.
    joined(path, other, maintain_order="left").sink_csv(output)


def events(path):
    schema = {
        "http": pl.Struct({"status": pl.Int64}),
        "user": pl.Struct({"country": pl.String}),
        "ms": pl.Float64,
    }
    t = pl.scan_ndjson(path, schema=schema).filter(c("http").struct.field("status") >= 500)
    t = t.group_by(c("user").struct.field("country")).agg(
        pl.len(), quantile("ms", 0.5), quantile("ms", 0.95), quantile("ms", 0.99)
    )
    return done(t.sort("country"))


def access(path):
    names = ["ip", "ident", "user", "time", "zone", "request", "status", "bytes", "referrer", "agent"]
    schema = dict.fromkeys(names, pl.String) | {"status": pl.Int64, "bytes": pl.Int64}
    t = pl.scan_csv(path, separator=" ", has_header=False, quote_char='"', null_values="-", schema=schema)
    hour = c("time").str.to_datetime("[%d/%b/%Y:%H:%M:%S", time_unit="us").dt.truncate("1h").alias("hour")
    url = c("request").str.split_exact(" ", 2).struct.field("field_1").alias("url")
    t = t.group_by(hour, url).agg(pl.len(), c("bytes").sum(), (c("status") == 404).sum().alias("missing"))
    t = t.top_k(20, by="bytes").sort("bytes", descending=True)
    return done(t.with_columns(c("hour").dt.epoch("s")))


answer({f.__name__: f for f in (challenge, sales, join, write, events, access)}[sys.argv[1]])
