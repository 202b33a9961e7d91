internal import CLuaMap
internal import Glibc
internal import MemoryMap

// The policy of the sandbox, for C. No function here touches Lua.

@implementation @c
func lm_is_sandboxed() -> Bool { FilePolicy.current != nil }

@implementation @c
func lm_sandbox_begin() {
    FilePolicy.current = FilePolicy()
}

/// Allows a file or a folder: 0, or an errno.
@implementation @c
func lm_sandbox_allow(_ access: CInt, _ path: UnsafePointer<CChar>) -> CInt {
    let access = FileAccess(rawValue: UInt8(truncatingIfNeeded: access))
    do { try FilePolicy.current?.allow(access, path) } catch {
        guard case .failed(let code) = error else { return EACCES }
        return code
    }
    return 0
}

@implementation @c
func lm_sandbox_know(_ path: UnsafePointer<CChar>) {
    FilePolicy.current?.know(path)
}

@implementation @c
func lm_sandbox_confine(_ files: UnsafePointer<UnsafePointer<CChar>?>, _ count: Int) -> Bool {
    let files = UnsafeBufferPointer(start: files, count: count).compactMap { $0 }
    return FilePolicy.current?.confine(alsoReading: files) ?? false
}

@implementation @c
func lm_sandbox_open(_ path: UnsafePointer<CChar>, _ flags: CInt, _ mode: CUnsignedInt) -> CInt {
    inBounds { (policy) throws(FileFailure) in try policy.open(path, flags, mode: mode) }
}

@implementation @c
func lm_sandbox_remove(_ path: UnsafePointer<CChar>) -> CInt {
    inBounds { (policy) throws(FileFailure) in
        try policy.remove(path, orFolder: true)
        return 0
    }
}

@implementation @c
func lm_sandbox_rename(_ old: UnsafePointer<CChar>, _ new: UnsafePointer<CChar>) -> CInt {
    inBounds { (policy) throws(FileFailure) in
        try policy.rename(old, to: new)
        return 0
    }
}

@implementation @c
func lm_sandbox_may_change(_ path: UnsafePointer<CChar>) -> Bool {
    FilePolicy.current?.mayChange(path) ?? false
}

/// The result of an operation under the policy, or its error as one negative number (see lm_sandbox.h).
private func inBounds(_ body: (FilePolicy) throws(FileFailure) -> CInt) -> CInt {
    guard let policy = FilePolicy.current else {
        errno = EACCES
        return -1
    }
    do { return try body(policy) } catch {
        switch error {
        case .failed(let code):
            errno = code
            return -1
        case .refused(let access): return -CInt(LM_REFUSED) - CInt(access.rawValue)
        }
    }
}
