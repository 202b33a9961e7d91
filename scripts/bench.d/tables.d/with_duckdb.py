# with_duckdb.py QUESTION FILE [FILE2 [OUTPUT]] - what ours.lua does, with DuckDB as its users write it for speed: the
# types given, only the columns that are asked for, no order of rows kept where none is wanted.
import sys

import duckdb

from clock import answer


def ask(text, *values):
    connection = duckdb.connect()
    # The bar of progress costs time, and order is kept where it is asked for.
    connection.execute("set preserve_insertion_order = false")
    return connection.execute(text, values).fetchall()


def challenge(path):
    return ask(
        "select s, min(t), avg(t), max(t) from read_csv(?, delim=';', header=false, quote='', escape='', "
        "columns={'s':'VARCHAR','t':'DOUBLE'}) group by s order by s",
        path,
    )


def sales(path):
    return ask(
        "select region, product, count(*), sum(amount) as total, avg(amount), quantile_cont(amount, 0.5), "
        "quantile_cont(amount, 0.95) from read_csv(?, delim=',', header=true, quote='\"', escape='\"', columns={'order':'BIGINT',"
        "'day':'VARCHAR','region':'VARCHAR','product':'VARCHAR','quantity':'BIGINT','amount':'DOUBLE','note':'VARCHAR'}) "
        "group by region, product order by total desc limit 20",
        path,
    )


facts = "read_csv(?, header=true, quote='', escape='', delim=',', columns={'user':'BIGINT','quantity':'BIGINT','price':'DOUBLE'}) as facts"
users = "read_csv(?, header=true, quote='', escape='', delim=',', columns={'user':'BIGINT','name':'VARCHAR','country':'VARCHAR'}) as users"


def join(path, other):
    return ask(
        f"select country, count(*), sum(quantity)::bigint, sum(price) from {facts} join {users} using (\"user\") "
        "group by country order by country",
        path,
        other,
    )


def write(path, other, output):
    # Rows in any order, which is less than ours: a sorted copy is compared.
    ask(f"copy (select \"user\", quantity, price, name, country from {facts} join {users} using (\"user\")) to '{output}' (header)", path, other)


def events(path):
    return ask(
        "select \"user\".country as country, count(*), quantile_cont(ms, 0.5), quantile_cont(ms, 0.95), quantile_cont(ms, 0.99) "
        "from read_json(?, format='newline_delimited', columns={'http':'STRUCT(status INTEGER)', "
        "'user':'STRUCT(country VARCHAR)', 'ms':'DOUBLE'}) where http.status >= 500 group by country order by country",
        path,
    )


def access(path):
    return ask(
        "select epoch(date_trunc('hour', strptime(time, '[%d/%b/%Y:%H:%M:%S')))::bigint as hour, split_part(request, ' ', 2) as url, "
        "count(*), sum(bytes)::bigint as total, count(*) filter (status = 404) from read_csv(?, delim=' ', header=false, "
        "quote='\"', escape='', nullstr='-', columns={'ip':'VARCHAR','ident':'VARCHAR','user':'VARCHAR','time':'VARCHAR',"
        "'zone':'VARCHAR','request':'VARCHAR','status':'INTEGER','bytes':'BIGINT','referrer':'VARCHAR','agent':'VARCHAR'}) "
        "group by hour, url order by total desc limit 20",
        path,
    )


answer({f.__name__: f for f in (challenge, sales, join, write, events, access)}[sys.argv[1]])
