# The clock inside of the peers in Python: from after the imports to the answer as Python values.
import sys
import time


def answer(question):
    start = time.perf_counter()
    rows = question(*sys.argv[2:])
    if rows is not None:
        rows = list(rows)
    seconds = time.perf_counter() - start
    for row in rows or []:
        print("\t".join("%.17g" % x if isinstance(x, float) else "nil" if x is None else str(x) for x in row))
    print("#t %.6f" % seconds)
