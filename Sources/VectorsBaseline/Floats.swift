internal import Vectors

// Sums of floats, in double precision: sixteen partial sums, then the remaining elements one by one. All instruction
// sets add in this order, and none fuses a multiplication with an addition, so all results are equal to the last bit.

private typealias Lanes = SIMD16<Double>

@inline(__always)
private func lanes(_ p: UnsafeRawPointer, _ i: Int) -> Lanes {
    p.loadUnaligned(fromByteOffset: i &* 8, as: Lanes.self)
}

@inline(__always)
private func reduced(_ v: Lanes) -> Double {
    let a = v.lowHalf + v.highHalf
    let b = a.lowHalf + a.highHalf
    return (b[0] + b[2]) + (b[1] + b[3])
}

@inline(__always)
private func single(_ p: UnsafeRawPointer, _ i: Int) -> Double {
    p.loadUnaligned(fromByteOffset: i &* 8, as: Double.self)
}

func summary(_ p: UnsafeRawPointer, _ count: Int, _ results: UnsafeMutablePointer<Double>) {
    var sums = Lanes()
    var least = Lanes(repeating: .infinity)
    var greatest = Lanes(repeating: -.infinity)
    var i = 0
    while i &+ 16 <= count {
        let x = lanes(p, i)
        sums += x
        // A comparison with a NaN is false, so a NaN does not change the extremes.
        least = least.replacing(with: x, where: x .< least)
        greatest = greatest.replacing(with: x, where: x .> greatest)
        i &+= 16
    }
    var sum = reduced(sums)
    var low = least[0]
    var high = greatest[0]
    var lane = 1
    while lane < 16 {
        if least[lane] < low { low = least[lane] }
        if greatest[lane] > high { high = greatest[lane] }
        lane &+= 1
    }
    while i < count {
        let x = single(p, i)
        sum += x
        if x < low { low = x }
        if x > high { high = x }
        i &+= 1
    }
    results[0] = sum
    results[1] = low
    results[2] = high
}

func deviations(_ p: UnsafeRawPointer, _ count: Int, _ mean: Double, _ results: UnsafeMutablePointer<Double>)
{
    var sums = Lanes()
    var squares = Lanes()
    let means = Lanes(repeating: mean)
    var i = 0
    while i &+ 16 <= count {
        let x = lanes(p, i) - means
        sums += x
        squares += x * x
        i &+= 16
    }
    var sum = reduced(sums)
    var square = reduced(squares)
    while i < count {
        let x = single(p, i) - mean
        sum += x
        square += x * x
        i &+= 1
    }
    results[0] = sum
    results[1] = square
}

func dot(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Double {
    var sums = Lanes()
    var i = 0
    while i &+ 16 <= count {
        sums += lanes(a, i) * lanes(b, i)
        i &+= 16
    }
    var sum = reduced(sums)
    while i < count {
        sum += single(a, i) * single(b, i)
        i &+= 1
    }
    return sum
}
