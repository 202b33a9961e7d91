internal import CFuzz
internal import Glibc
@testable internal import MemoryMap
@testable internal import mmaplua

// Parts of the program that no script can call.

@implementation @c
func fuzz_options(_ count: CInt, _ words: Arguments, _ index: UnsafeMutablePointer<CInt>) -> CInt {
    let request = Options.parse(words, count: count)
    if let policy = FilePolicy.current {
        policy.forget()
        FilePolicy.current = nil
    }
    func place(of word: UnsafePointer<CChar>) -> CInt {
        (0..<count).first { words[Int($0)].map { UnsafePointer($0) } == word } ?? -1
    }
    let letter: Character
    switch request {
    case .run(let options): (letter, index.pointee) = ("r", CInt(options.script))
    case .help: letter = "h"
    case .version: letter = "v"
    case .lessons: letter = "l"
    case .checkOfLessons: letter = "c"
    case .noLesson: letter = "n"
    case .lessonInSandbox: letter = "s"
    case .misuse(let word): (letter, index.pointee) = ("m", place(of: word))
    case .failure(let word, _): (letter, index.pointee) = ("f", place(of: word))
    }
    return CInt(letter.asciiValue ?? 0)
}

@implementation @c
func fuzz_bytes(_ text: UnsafePointer<CChar>) -> UInt64 {
    Quantity.bytes(String(cString: text)).map { UInt64($0) } ?? 0
}

@implementation @c
func fuzz_microseconds(_ text: UnsafePointer<CChar>) -> UInt64 {
    Quantity.microseconds(String(cString: text)) ?? 0
}

@implementation @c
func fuzz_open(
    _ allowed: UnsafePointer<UnsafePointer<CChar>>, _ count: Int, _ path: UnsafePointer<CChar>, _ flags: CInt
) -> CInt {
    var policy = FilePolicy()
    defer { policy.forget() }
    for index in 0..<count {
        let letter = Character(UnicodeScalar(UInt8(bitPattern: allowed[index][0])))
        let access: FileAccess = letter == "r" ? .read : letter == "w" ? .write : [.read, .write]
        // A path that cannot be allowed is left out.
        try? policy.allow(access, allowed[index] + 1)
    }
    do { return try policy.open(path, flags) } catch {
        guard case .failed(let code) = error else { return CInt.min }
        return 0 - code
    }
}

extension FilePolicy {
    /// A policy normally lives as long as its process; here there are many.
    fileprivate func forget() {
        close(top)
        for root in roots { close(root.folder) }
    }
}
