func truncated(_ t: Double, to: TimeUnit) -> Double { t }
func quantile(_ v: UnsafeMutablePointer<Double>, count: Int, q: Double) -> Double { v[0] }
extension Predicate { func evaluate(_ v: Vector, _ t: ColumnType, _ count: Int, into: UnsafeMutablePointer<UInt8>) throws(TableError) {} }
