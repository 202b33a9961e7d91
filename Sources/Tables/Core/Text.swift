internal import Glibc

/// A string of a table: bytes in a mapping, which others may write meanwhile, or in private memory.
package struct Text: BitwiseCopyable, @unchecked Sendable {
    package var start: UnsafePointer<UInt8>
    /// Bytes.
    package var count: Int

    @inline(__always)
    package init(_ start: UnsafePointer<UInt8>, _ count: Int) { (self.start, self.count) = (start, count) }

    package var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
}

extension Text: Equatable {
    /// Most strings are short: they are compared eight bytes at a time, without a call.
    @inline(__always)
    package static func == (a: Text, b: Text) -> Bool {
        if a.count != b.count { return false }
        let count = a.count
        if count >= 8 {
            // Without a loop, whose end would be a guess where some have 8 bytes and others have more.
            if count <= 16 {
                let last = count &- 8
                return (word(a.start) ^ word(b.start)) | (word(a.start + last) ^ word(b.start + last)) == 0
            }
            var place = 0
            while place &+ 8 < count {
                if word(a.start + place) != word(b.start + place) { return false }
                place &+= 8
            }
            return word(a.start + (count &- 8)) == word(b.start + (count &- 8))
        }
        if count >= 4 {
            return half(a.start) == half(b.start)
                && half(a.start + (count &- 4)) == half(b.start + (count &- 4))
        }
        for i in 0..<count where a.start[i] != b.start[i] { return false }
        return true
    }
}

extension Text {
    /// Less than, equal to, or greater than 0, by bytes, as strcmp(3).
    @inline(__always)
    package func order(_ other: Text) -> Int {
        let order = memcmp(start, other.start, min(count, other.count))
        return order != 0 ? Int(order) : count &- other.count
    }

    /// Equal for equal strings.
    @inline(__always)
    func hash(_ seed: UInt64) -> UInt64 {
        let p = start
        var hash = seed ^ UInt64(bitPattern: Int64(count))
        if count >= 8 {
            if count <= 16 { return mix(mix(hash, word(p)), word(p + (count &- 8))) }
            var place = 0
            while place &+ 8 < count {
                hash = mix(hash, word(p + place))
                place &+= 8
            }
            return mix(hash, word(p + (count &- 8)))
        }
        if count >= 4 { return mix(hash, half(p) | half(p + (count &- 4)) &<< 32) }
        if count == 0 { return mix(hash, 0) }
        return mix(hash, UInt64(p[0]) | UInt64(p[count &>> 1]) &<< 8 | UInt64(p[count &- 1]) &<< 16)
    }
}

/// Different in each process, so that nobody can make data whose keys collide.
let hashSeed = UInt64.random(in: .min ... .max)

@inline(__always)
func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: b ^ 0xE703_7ED1_A0B4_28DB)
    return product.high ^ product.low
}

@inline(__always)
private func word(_ p: UnsafePointer<UInt8>) -> UInt64 {
    UnsafeRawPointer(p).loadUnaligned(as: UInt64.self)
}

@inline(__always)
private func half(_ p: UnsafePointer<UInt8>) -> UInt64 {
    UInt64(UnsafeRawPointer(p).loadUnaligned(as: UInt32.self))
}
