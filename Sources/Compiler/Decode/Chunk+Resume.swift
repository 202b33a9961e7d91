/// A function that continues in the middle of another.
extension Chunk {
    /// The binary chunk of a function whose parameters are the first `registers` registers and then 1, 0, 1, and which
    /// continues at `pc`. Lines and names of variables stay as they were, for the messages of errors.
    ///
    /// The same code, after a `for` from 1 to 0, which skips up to `pc`. A jump would do, but Lua then takes what is
    /// before its target for code that may not have run, and leaves names of functions out of messages. The loop has the
    /// line of `pc`: for a division by zero Lua 5.4.4 gives the line of the last call or loop.
    func resumed(at pc: Int, registers: Int) -> [UInt8] {
        var result = Array(bytes[..<parts.parameters])
        result.append(UInt8(truncatingIfNeeded: registers + 3))
        result.append(0)
        result.append(UInt8(truncatingIfNeeded: max(self.registers, registers + 4)))
        Chunk.append(code.count + 1, to: &result)
        for instruction in [pc == 0 ? .jump(0) : .skippedLoop(registers, pc - 1)] + code {
            for shift in [0, 8, 16, 24] as [UInt32] {
                result.append(UInt8(truncatingIfNeeded: instruction.raw >> shift))
            }
        }
        result += bytes[parts.code.upperBound..<parts.lines.lowerBound]
        appendLines([lines[pc]] + lines, to: &result)
        var position = parts.lines.upperBound
        for local in parts.locals {
            result += bytes[position..<local.range.lowerBound]
            // Parameters are there from the start.
            Chunk.append(local.from == 0 ? 0 : local.from + 1, to: &result)
            Chunk.append(local.to + 1, to: &result)
            position = local.range.upperBound
        }
        result += bytes[position...]
        return result
    }

    /// As in lcode.c: the difference to the line before, with a line in full at least every 128 instructions.
    private func appendLines(_ lines: [Int], to result: inout [UInt8]) {
        var deltas: [UInt8] = []
        var absolute: [(pc: Int, line: Int)] = []
        var before = parts.lineDefined
        var since = 0
        for (pc, line) in lines.enumerated() {
            let delta = line - before
            if abs(delta) > 127 || since >= 127 {
                absolute.append((pc, line))
                deltas.append(0x80)
                since = 1
            } else {
                deltas.append(UInt8(bitPattern: Int8(truncatingIfNeeded: delta)))
                since += 1
            }
            before = line
        }
        Chunk.append(deltas.count, to: &result)
        result += deltas
        Chunk.append(absolute.count, to: &result)
        for entry in absolute {
            Chunk.append(entry.pc, to: &result)
            Chunk.append(entry.line, to: &result)
        }
    }

    private static func append(_ size: Int, to result: inout [UInt8]) {
        var groups = [UInt8(truncatingIfNeeded: size & 0x7f) | 0x80]
        var rest = size >> 7
        while rest > 0 {
            groups.append(UInt8(truncatingIfNeeded: rest & 0x7f))
            rest >>= 7
        }
        result += groups.reversed()
    }
}
