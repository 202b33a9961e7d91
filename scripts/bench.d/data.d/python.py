# python.py WORKLOAD FILE PASSES [numpy] - the standard library's mmap, alone or with NumPy.
import mmap, re, sys, time

workload, path, passes = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = open(path, "rb")
data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Plain:
    def sum(self): return sum(memoryview(data))
    def find(self): return data.find(b"this is where it ends")
    def regex(self): return sum(1 for _ in re.finditer(rb"[A-Z][a-z]+ [0-9]{4}", data))

    def newlines(self):
        count, at, find = 0, 0, data.find
        while True:
            at = find(b"\n", at) + 1
            if not at: return count
            count += 1

    def random(self):
        v, x, everything = memoryview(data).cast("I"), 1, 0
        mask = len(v) - 1
        for _ in range(5000000):
            x = (x * 1664525 + 1013904223) & mask
            everything ^= v[x]
        return everything


class NumPy:
    def sum(self): return numpy.frombuffer(data, "u1").sum(dtype="u8")
    def newlines(self): return numpy.count_nonzero(numpy.frombuffer(data, "u1") == 10)

    def stats(self):
        v = numpy.frombuffer(data, "f8")
        return "%.0f %.6f %.6f" % (v.sum(), v.min(), v.max())


if len(sys.argv) > 4: import numpy
run = getattr(NumPy() if len(sys.argv) > 4 else Plain(), workload)
seconds = []
for _ in range(passes):
    start = time.perf_counter()
    answer = run()
    seconds.append("%.6f" % (time.perf_counter() - start))
print(answer)
print("\n".join(seconds))
