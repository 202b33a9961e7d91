func truncated(_ t: Double, to: TimeUnit) -> Double { t }
func quantile(_ v: UnsafeMutablePointer<Double>, count: Int, q: Double) -> Double {
    let s = Array(UnsafeBufferPointer(start: v, count: count)).sorted()
    let place = q * Double(count - 1)
    let low = Int(place)
    return low + 1 >= count ? s[low] : s[low] + (s[low + 1] - s[low]) * (place - Double(low))
}
