// Sums over the lanes of a vector, by halves: the adjacent fields of a lane are added into one of
// twice the width. Only operations of concrete vector types: generic ones of the standard library
// may be emitted out of line, under a name that all modules share, for the wrong processor.

@inline(__always)
func widened(_ v: SIMD64<UInt8>) -> SIMD8<UInt64> { widened(halved(v)) }

@inline(__always)
func halved(_ v: SIMD64<UInt8>) -> SIMD32<UInt16> {
    let w = unsafeBitCast(v, to: SIMD32<UInt16>.self)
    return (w & 0xff) &+ (w &>> 8)
}

@inline(__always)
func widened(_ v: SIMD32<UInt16>) -> SIMD8<UInt64> { widened(halved(v)) }

@inline(__always)
func halved(_ v: SIMD32<UInt16>) -> SIMD16<UInt32> {
    let w = unsafeBitCast(v, to: SIMD16<UInt32>.self)
    return (w & 0xffff) &+ (w &>> 16)
}

@inline(__always)
func widened(_ v: SIMD16<UInt32>) -> SIMD8<UInt64> {
    let w = unsafeBitCast(v, to: SIMD8<UInt64>.self)
    return (w & 0xffff_ffff) &+ (w &>> 32)
}

@inline(__always)
func reduced(_ v: SIMD8<UInt64>) -> UInt64 {
    v[0] &+ v[1] &+ v[2] &+ v[3] &+ v[4] &+ v[5] &+ v[6] &+ v[7]
}
