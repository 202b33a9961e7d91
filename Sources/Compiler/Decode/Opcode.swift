/// The instructions of Lua 5.4, in the order of lopcodes.h.
enum Opcode: UInt8, CaseIterable {
    case move, loadi, loadf, loadk, loadkx, loadfalse, lfalseskip, loadtrue, loadnil
    case getupval, setupval
    case gettabup, gettable, geti, getfield, settabup, settable, seti, setfield, newtable, `self`
    case addi, addk, subk, mulk, modk, powk, divk, idivk, bandk, bork, bxork, shri, shli
    case add, sub, mul, mod, pow, div, idiv, band, bor, bxor, shl, shr
    case mmbin, mmbini, mmbink
    case unm, bnot, not, len, concat, close, tbc, jmp
    case eq, lt, le, eqk, eqi, lti, lei, gti, gei, test, testset
    case call, tailcall, return_, return0, return1
    case forloop, forprep, tforprep, tforcall, tforloop
    case setlist, closure, vararg, varargprep, extraarg
}

/// An instruction, taken apart.
struct Instruction: Hashable {
    let raw: UInt32

    /// nil if there is no such instruction.
    var opcode: Opcode? { Opcode(rawValue: UInt8(raw & 0x7f)) }
    var a: Int { Int(raw >> 7 & 0xff) }
    var k: Bool { raw >> 15 & 1 != 0 }
    var b: Int { Int(raw >> 16 & 0xff) }
    var c: Int { Int(raw >> 24 & 0xff) }
    var signedB: Int { b - 127 }
    var signedC: Int { c - 127 }
    var bx: Int { Int(raw >> 15) }
    var signedBx: Int { bx - 65_535 }
    var ax: Int { Int(raw >> 7) }
    var signedJ: Int { ax - 16_777_215 }

    /// FORPREP: where the loop does not run, a jump over `distance + 1` instructions.
    static func skippedLoop(_ register: Int, _ distance: Int) -> Instruction {
        Instruction(
            raw: UInt32(Opcode.forprep.rawValue) | UInt32(register) << 7 | UInt32(distance) << 15)
    }

    /// A jump over `distance` instructions.
    static func jump(_ distance: Int) -> Instruction {
        Instruction(raw: UInt32(Opcode.jmp.rawValue) | UInt32(distance + 16_777_215) << 7)
    }
}
