internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// The text that `regex:gsub` makes.

/// Appends a part of a subject to a text. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_text_add_part(
    _ L: LuaState, _ outcome: Outcome, _ target: UnsafeMutablePointer<lm_text>, _ subject: CInt,
    _ offset: Int64,
    _ length: Int64
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let (bytes, origin) = try Arguments(L).source(subject)
        let monitor = Monitor(frugal: L)
        let count = try checkedLength(
            offset: Int(offset), length: length < 0 ? nil : Int(length), count: bytes.count)
        let part = UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<Int(offset) &+ count])
        try target.pointee.text.append(part, shouldContinue: { monitor.shouldContinue($0) })
        try origin.checkIntact()
        return 0
    }
}

/// Appends bytes to a text. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_text_add(
    _ L: LuaState, _ outcome: Outcome, _ target: UnsafeMutablePointer<lm_text>, _ bytes: UnsafePointer<CChar>,
    _ count: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let monitor = Monitor(frugal: L)
        try target.pointee.text.append(
            .init(start: bytes, count: count), shouldContinue: { monitor.shouldContinue($0) })
        return 0
    }
}

/// Frees a text. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_text_free(_ text: UnsafeMutablePointer<lm_text>) { text.pointee.text.free() }
