internal import CMemoryMap

/// The conversion of numbers of one type to another.
struct Conversion: Sendable {
    let from: ElementType
    let to: ElementType
    let isSaturating: Bool
    private let isUnsigned64: Bool

    init(from: ElementType, to: ElementType, isSaturating: Bool) {
        self.from = from
        self.to = to
        self.isSaturating = isSaturating
        self.isUnsigned64 = from.kind == Int32(MM_U64)
    }

    /// Whether every number of `from` fits `to`.
    var alwaysFits: Bool {
        if isSaturating || from.kind == to.kind { return true }
        if to.isFloat { return alwaysFitsFloat }
        if from.isFloat { return false }
        let (fromSigned, toSigned) = (from.kind & 1, to.kind & 1)
        if fromSigned == toSigned { return from.byteCount <= to.byteCount }
        return toSigned == 1 && from.byteCount < to.byteCount
    }

    private var alwaysFitsFloat: Bool {
        switch (to.kind, from.kind) {
        case (Int32(MM_F64), _): true
        case (Int32(MM_F32), _): from.byteCount == 2 || !from.isFloat
        case (Int32(MM_BF16), _): from.kind == Int32(MM_F16) || !from.isFloat
        default: from.byteCount == 1 || from.kind == Int32(MM_I16)
        }
    }

    /// The bits that mm_store_number writes for a result of mm_load_number, or nil if the number does not
    /// fit.
    @inline(__always)
    func converted(_ bits: UInt64) -> UInt64? {
        if from.kind == to.kind { return bits }
        if from.isFloat { return convertedFloat(Double(bitPattern: bits)) }
        if to.isFloat {
            return convertedFloat(isUnsigned64 ? Double(bits) : Double(Int64(bitPattern: bits)))
        }
        let isLarge = Int64(bitPattern: bits) < 0
        if isUnsigned64 && isLarge { return isSaturating ? to.saturatedBits(of: .integer(Int64.max)) : nil }
        if isSaturating { return to.saturatedBits(of: .integer(Int64(bitPattern: bits))) }
        if to.kind == Int32(MM_U64) { return isLarge ? nil : bits }
        return mm_fits(to.code, bits) ? bits : nil
    }

    private func convertedFloat(_ value: Double) -> UInt64? {
        if isSaturating { return to.saturatedBits(of: .float(value)) }
        if to.isFloat { return mm_fits(to.code, value.bitPattern) ? value.bitPattern : nil }
        if to.kind == Int32(MM_U64) { return UInt64(exactly: value) }
        guard let integer = Int64(exactly: value) else { return nil }
        let bits = UInt64(bitPattern: integer)
        return mm_fits(to.code, bits) ? bits : nil
    }

    /// Converts numbers that are known to fit, in place.
    func convert(_ bits: UnsafeMutablePointer<UInt64>, _ count: Int) {
        // Integers that fit have the same bits.
        if from.kind == to.kind || from.isFloat && to.isFloat && !isSaturating { return }
        if !from.isFloat && !to.isFloat && !isSaturating { return }
        var i = 0
        while i < count {
            bits[i] = converted(bits[i]) ?? 0
            i &+= 1
        }
    }

    /// The error for an element of the source that does not fit.
    func misfit(_ bits: UInt64, _ index: Int) -> MapError {
        let isLarge = isUnsigned64 && Int64(bitPattern: bits) < 0
        let error = to.misfit(isLarge ? .float(Double(bits)) : Number(bits: bits, from))
        return MapError(.valueOutOfRange, error.hint, error.values.0, index)
    }
}
