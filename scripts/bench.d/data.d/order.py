# order.py median|argsort|records FILE PASSES - what order.lua does, with NumPy: an answer, and the seconds of each pass.
import sys
import time

import numpy

what, path, passes = sys.argv[1], sys.argv[2], int(sys.argv[3])
types = {"median": "f8", "argsort": "u4", "records": [("key", "u4"), ("a", "u4"), ("b", "u8")]}
data = numpy.fromfile(path, dtype=types[what])


def median():
    return "%.17g" % numpy.median(data)


def argsort():
    order = numpy.argsort(data, kind="stable")
    return "%d %d %d" % (order[0], order[len(order) // 2], order[-1])


def records():
    found = data.take(numpy.argsort(data["key"], kind="stable"))
    return "%d %d %d" % (found["a"][0], found["a"][len(found) // 2], found["a"][-1])


times = []
for _ in range(passes):
    start = time.perf_counter()
    answer = {"median": median, "argsort": argsort, "records": records}[what]()
    times.append(time.perf_counter() - start)
print(answer)
for seconds in times:
    print(seconds)
