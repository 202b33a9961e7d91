internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Layouts: the offsets and sizes of their fields. Nothing here touches Lua.

/// Adds a field to a layout; see lm_record.h. The caller puts the field's name before messages.
@implementation @c
func lm_layout_place(
    _ outcome: Outcome, _ ruler: UnsafeMutablePointer<mm_ruler>, _ type: UnsafePointer<CChar>?, _ length: Int,
    _ inner: UnsafePointer<lm_layout>?, _ count: Int64, _ offset: Int64,
    _ field: UnsafeMutablePointer<mm_field>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        var shape = try Shape(type, length, inner)
        if count > 0 { try shape.repeat(Int(count)) }
        var layout = LayoutRuler(ruler.pointee)
        let place = try layout.place(
            size: shape.size, count: shape.count, alignment: shape.alignment,
            at: offset < 0 ? nil : Int(offset))
        ruler.pointee = layout.ruler
        let hasCount = shape.kind != MM_NUMBER && shape.kind != MM_RECORD
        field.pointee = mm_make_field(
            Int32(truncatingIfNeeded: shape.kind), shape.type, place, hasCount ? shape.count : 0)
        return 0
    }
}

/// The type and size of a field's elements, and their number.
private struct Shape {
    var kind: Int
    var type: Int32 = 0
    var size: Int
    var count = 1
    var alignment = 1
    /// Whether the type's name has a count, as `char[16]`.
    var isCounted = false

    init(_ name: UnsafePointer<CChar>?, _ length: Int, _ inner: UnsafePointer<lm_layout>?) throws(MapError) {
        if let inner {
            (kind, size, alignment) = (Int(MM_RECORD), inner.pointee.size, inner.pointee.alignment)
            return
        }
        switch FieldType(name: UnsafeRawBufferPointer(start: name, count: name == nil ? 0 : length)) {
        case .number(let type):
            (kind, self.type, size, alignment) = (
                Int(MM_NUMBER), type.code, type.byteCount, type.byteCount
            )
        case .characters(let count):
            (kind, size, self.count, isCounted) = (Int(MM_CHARACTERS), 1, count, length > 4)
        case .bytes(let count):
            (kind, size, self.count, isCounted) = (Int(MM_BYTES), 1, count, length > 5)
        case nil:
            throw MapError(
                unknown: "not a type: %s",
                of:
                    "u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64, optionally with le or be after it, char[n], bytes[n] or a layout",
                argument: 0)
        }
    }

    /// Makes the field an array of `count` elements.
    mutating func `repeat`(_ count: Int) throws(MapError) {
        if isCounted {
            throw MapError(misuse: "for an array of strings, use an array of a layout with one string")
        }
        self.count = count
        if kind == Int(MM_NUMBER) { kind = Int(MM_NUMBERS) }
        if kind == Int(MM_RECORD) { kind = Int(MM_RECORDS) }
    }
}

/// Completes a layout; a negative size means that the script gave none.
@implementation @c
func lm_layout_finish(
    _ outcome: Outcome, _ ruler: UnsafePointer<mm_ruler>, _ size: Int64,
    _ layout: UnsafeMutablePointer<lm_layout>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let ruler = LayoutRuler(ruler.pointee)
        layout.pointee.size = try ruler.finish(size: size < 0 ? nil : Int(size))
        layout.pointee.alignment = ruler.alignment
        return 0
    }
}

@implementation @c
func lm_type_name(_ type: Int32) -> UnsafePointer<CChar> { ElementType(code: type).name.cString }
