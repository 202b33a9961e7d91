// Sums over the fields of 64-bit lanes: each step adds adjacent fields into one of twice the width.
//
// Only operations of concrete vector types with two vector operands and few lanes. Generic ones of the standard library
// are loops over lanes, and may be emitted as functions with a name that all modules share, compiled for another
// processor.

typealias Lanes64 = SIMD8<UInt64>

@inline(__always)
private func halved(_ v: Lanes64, _ mask: UInt64, _ shift: UInt64) -> Lanes64 {
    let mask = Lanes64(repeating: mask)
    return (v & mask) &+ ((v &>> Lanes64(repeating: shift)) & mask)
}

/// Adds adjacent fields of 8 bits into fields of 16.
@inline(__always)
func halved8(_ v: Lanes64) -> Lanes64 { halved(v, 0x00ff_00ff_00ff_00ff, 8) }

/// Adds adjacent fields of 16 bits into fields of 32.
@inline(__always)
func halved16(_ v: Lanes64) -> Lanes64 { halved(v, 0x0000_ffff_0000_ffff, 16) }

/// Adds adjacent fields of 32 bits into fields of 64.
@inline(__always)
func halved32(_ v: Lanes64) -> Lanes64 { halved(v, 0x0000_0000_ffff_ffff, 32) }

@inline(__always)
func reduced(_ v: Lanes64) -> UInt64 {
    v[0] &+ v[1] &+ v[2] &+ v[3] &+ v[4] &+ v[5] &+ v[6] &+ v[7]
}
