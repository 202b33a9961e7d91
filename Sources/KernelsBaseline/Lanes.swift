// Sums over the fields of 64-bit lanes, by halves: adjacent fields are added into one of twice the
// width. Only operations of concrete vector types, vector with vector, on few lanes: generic ones of
// the standard library are loops over lanes, and may even be emitted out of line, under a name that all
// modules share, for the wrong processor.

typealias Lanes64 = SIMD8<UInt64>

@inline(__always)
private func halved(_ v: Lanes64, _ mask: UInt64, _ shift: UInt64) -> Lanes64 {
    let mask = Lanes64(repeating: mask)
    return (v & mask) &+ ((v &>> Lanes64(repeating: shift)) & mask)
}

/// Fields of 8 bits into 16.
@inline(__always)
func halved8(_ v: Lanes64) -> Lanes64 { halved(v, 0x00ff_00ff_00ff_00ff, 8) }

/// Fields of 16 bits into 32.
@inline(__always)
func halved16(_ v: Lanes64) -> Lanes64 { halved(v, 0x0000_ffff_0000_ffff, 16) }

/// Fields of 32 bits into 64.
@inline(__always)
func halved32(_ v: Lanes64) -> Lanes64 { halved(v, 0x0000_0000_ffff_ffff, 32) }

@inline(__always)
func reduced(_ v: Lanes64) -> UInt64 {
    v[0] &+ v[1] &+ v[2] &+ v[3] &+ v[4] &+ v[5] &+ v[6] &+ v[7]
}
