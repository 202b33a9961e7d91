// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// Debian's own lua5.4 is linked with the static library too: a call into liblua is then a direct
// one and not one through the procedure linkage table.
let lua: [LinkerSetting] = [.linkedLibrary(":liblua5.4.a"), .linkedLibrary("m"), .linkedLibrary("dl")]

let package = Package(
    name: "mmaplua",
    products: [
        .library(name: "MemoryMap", targets: ["MemoryMap"]),
        .executable(name: "mmaplua", targets: ["mmaplua"]),
        // The Lua module for a stock lua5.4. It must not link liblua: the interpreter that loads it
        // brings the one and only copy.
        .library(name: "mmap", type: .dynamic, targets: ["LuaMap"]),
    ],
    targets: [
        .systemLibrary(name: "CLua", providers: [.apt(["liblua5.4-dev"])]),
        .target(name: "CMemoryMap", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "MemoryMap", dependencies: ["CMemoryMap"], swiftSettings: strict),
        .target(
            name: "CLuaMap", dependencies: ["CLua", "CMemoryMap"], cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "LuaMap", dependencies: ["CLua", "CLuaMap", "CMemoryMap", "MemoryMap"],
            resources: [.embedInCode("words.lua")],
            swiftSettings: strict),
        .target(
            name: "CHost", dependencies: ["CLua", "CLuaMap", "CMemoryMap"],
            cSettings: [.define("_GNU_SOURCE")]),
        .executableTarget(
            name: "mmaplua", dependencies: ["CLua", "CHost", "LuaMap"],
            resources: [.embedInCode("completion.lua")],
            swiftSettings: strict,
            // Lua C modules do not link liblua: they find its functions in the executable.
            linkerSettings: lua + [.unsafeFlags(["-Xlinker", "--export-dynamic"])]),
        .testTarget(
            name: "MemoryMapTests", dependencies: ["CMemoryMap", "MemoryMap"], swiftSettings: strict),
        .testTarget(
            name: "LuaMapTests", dependencies: ["CLua", "CLuaMap", "CMemoryMap", "LuaMap"],
            swiftSettings: strict, linkerSettings: lua),
        .testTarget(
            name: "EndToEndTests", dependencies: ["mmaplua"], swiftSettings: strict),
    ],
    cLanguageStandard: .gnu11
)
