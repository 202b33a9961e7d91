internal import CLua
internal import CLuaMap
internal import CSimdjson
internal import MemoryMap
internal import Tables

// `mmap.json`: C makes the Lua values.

/// Reads the arguments `(source [, offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_json_read(_ L: LuaState, _ outcome: Outcome, _ target: UnsafeMutablePointer<lm_json>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let (source, origin) = try arguments.source(1)
        let (offset, given) = try arguments.range(2)
        let length = try about(2) { () throws(MapError) in
            try checkedLength(offset: offset, length: given, count: source.count)
        }
        let monitor = try Monitor(L)
        let bytes = UnsafeRawBufferPointer(rebasing: source[offset..<offset &+ length])
        let range = try JSONValue.range(in: bytes) { monitor.shouldContinue(0) }
        var fault: JSONFault?
        let value = try read(UnsafeRawBufferPointer(rebasing: bytes[range]), origin, &fault, monitor)
        // Errors name the place in the source.
        target.pointee.place = Int64(offset &+ range.lowerBound)
        target.pointee.end = Int64(offset &+ range.upperBound)
        guard let value else {
            target.pointee.fault = fault?.message.cString
            target.pointee.place &+= Int64(fault?.offset ?? 0)
            return 0
        }
        target.pointee.text = UnsafeMutableRawPointer(value.text).assumingMemoryBound(to: CChar.self)
        target.pointee.nodes = value.nodes
        target.pointee.count = value.count
        target.pointee.owner = Unmanaged.passRetained(value).toOpaque()
        return 1
    }
}

private func read(
    _ bytes: UnsafeRawBufferPointer, _ origin: MappedBytes?, _ fault: inout JSONFault?, _ monitor: Monitor
) throws(MapError) -> JSONValue? {
    do throws(TableError) {
        return try JSONValue(bytes, fault: &fault) { () throws(MapError) in
            try origin.checkIntact()
        } poll: { () throws(MapError) in
            if !monitor.shouldContinue(0) { throw MapError(.interrupted) }
        }
    } catch {
        if case .map(let error, _) = error { throw error }
        throw MapError(misuse: "JSON: a value of more than 4 GiB")
    }
}

/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_json_free(_ json: UnsafeMutablePointer<lm_json>) {
    guard let owner = json.pointee.owner else { return }
    (json.pointee.owner, json.pointee.text, json.pointee.nodes, json.pointee.count) = (nil, nil, nil, 0)
    Unmanaged<JSONValue>.fromOpaque(owner).release()
}

/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_json_valid(_ text: UnsafePointer<CChar>, _ count: Int) -> Int {
    validUTF8(
        UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: count)
    ).count
}
