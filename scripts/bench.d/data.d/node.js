// node.js WORKLOAD FILE PASSES - node cannot map a file (mmap-io, which could, does not build for current versions).
// It reads the file into a Buffer first; the time of whole processes includes that, the time of passes does not.
const fs = require("fs")
const [workload, path, passes] = process.argv.slice(2)
const size = fs.statSync(path).size, memory = new ArrayBuffer(size), bytes = Buffer.from(memory)
const file = fs.openSync(path)
for (let at = 0; at < size; ) at += fs.readSync(file, bytes, at, Math.min(1 << 28, size - at), at)

const run = {
    sum() {
        let total = 0
        for (let i = 0; i < size; i++) total += bytes[i]
        return total
    },
    random() {
        const v = new Uint32Array(memory), mask = v.length - 1
        let x = 1, all = 0
        for (let i = 0; i < 5000000; i++) {
            x = (Math.imul(x, 1664525) + 1013904223) & mask
            all ^= v[x]
        }
        return all >>> 0
    },
    accessor() {
        const mask = size / 4 - 1
        let x = 1, all = 0
        for (let i = 0; i < 5000000; i++) {
            x = (Math.imul(x, 1664525) + 1013904223) & mask
            all ^= bytes.readUInt32LE(4 * x)
        }
        return all >>> 0
    },
    newlines() {
        let count = 0
        for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++
        return count
    },
    find: () => bytes.indexOf("this is where it ends"),
    stats() {
        const v = new Float64Array(memory)
        let sum = 0, low = Infinity, high = -Infinity
        for (let i = 0; i < v.length; i++) {
            const x = v[i]
            sum += x
            if (x < low) low = x
            if (x > high) high = x
        }
        return `${sum.toFixed(0)} ${low.toFixed(6)} ${high.toFixed(6)}`
    },
    regex: () => (bytes.latin1Slice().match(/[A-Z][a-z]+ [0-9]{4}/g) || []).length,
}
let answer
const seconds = []
for (let pass = 0; pass < passes; pass++) {
    const start = process.hrtime.bigint()
    answer = run[workload]()
    seconds.push((Number(process.hrtime.bigint() - start) / 1e9).toFixed(6))
}
console.log(String(answer))
console.log(seconds.join("\n"))
