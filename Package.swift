// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// The static library, as in Debian's own lua5.4: calls into liblua are direct, not through the procedure linkage
// table.
let lua: [LinkerSetting] = [.linkedLibrary(":liblua5.4.a"), .linkedLibrary("m"), .linkedLibrary("dl")]

/// The vector code again, compiled for newer processors. The program must check the processor before it calls this code.
/// SwiftPM allows unsafeFlags in root packages only, so other packages cannot depend on these targets: MemoryMap uses
/// the baseline vector code, LuaMap adds these.
#if arch(x86_64)
    let fastVectors: [Target] = [
        .target(
            name: "VectorsAVX2", dependencies: ["Vectors"],
            swiftSettings: strict + [
                .unsafeFlags(
                    ["-Ounchecked"]
                        + ["-mavx2", "-mbmi", "-mbmi2", "-mf16c", "-mlzcnt", "-mpopcnt"].flatMap {
                            ["-Xcc", $0]
                        }), .define("F16C"),
            ])
    ]
#else
    let fastVectors: [Target] = []
#endif
let fastVectorNames: [Target.Dependency] = fastVectors.map { .byName(name: $0.name) }
// Static libraries: the program starts without searching for and relocating shared ones. If the system's PCRE2 is too
// old, scripts/setup gets another one and names its folder.
let pcre2: [LinkerSetting] =
    (Context.environment["MMAPLUA_PCRE2"].map { [.unsafeFlags(["-L\($0)"])] } ?? []) + [
        .linkedLibrary(":libpcre2-8.a")
    ]
let compression: [LinkerSetting] = [.linkedLibrary(":libz.a"), .linkedLibrary(":libzstd.a")]
// Debian's libz.a is not compiled for shared libraries: it may be in one whose other symbols do not replace its own.
let hidden: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "--exclude-libs=libz.a"])]
// simdjson's sources, which scripts/setup gets. No name of C++ leaves the program, and no exception is thrown.
let simdjson: [CXXSetting] = [
    .define("NDEBUG"),
    .unsafeFlags(
        ["-O2", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden"]
            + (Context.environment["MMAPLUA_SIMDJSON"].map { ["-isystem", $0] } ?? [])),
]
// Loops over rows of tables: a test of exclusive access at each use of a list's memory takes a fifth of the time. And a
// jump out of the compiler would leave accesses in the list of those that go on. The debug build has the tests.
let trusted: [SwiftSetting] = [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]
let hashes: [LinkerSetting] = [
    .linkedLibrary(":libdeflate.a"), .linkedLibrary(":libxxhash.a"), .linkedLibrary(":libcrypto.a"),
]

// The tests' own code without optimization in the release build too: what it tests has all of it, and a quarter of the
// build's time was the tests.
let tests: [SwiftSetting] = strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

// The Swift runtime built by scripts/build. If malloc(3) fails, it allocates from a reserve (mm_reserve.h).
let runtime: [LinkerSetting] =
    Context.environment["MMAPLUA_RUNTIME"].map {
        [.unsafeFlags(["-resource-dir", $0, "-Xlinker", "--wrap=malloc_usable_size"])]
    } ?? []

// The compiler of mmap.compile, where LLVM is installed: its folder, which scripts/setup finds.
let llvm = Context.environment["MMAPLUA_LLVM"]

let package = Package(
    name: "mmaplua",
    products: [
        .library(name: "MemoryMap", targets: ["MemoryMap"]),
        .executable(name: "mmaplua", targets: ["mmaplua"]),
        // The Lua module for a stock lua5.4. It must not link liblua: the interpreter already has a copy.
        .library(name: "mmap", type: .dynamic, targets: ["LuaMap"]),
    ],
    targets: fastVectors + [
        .systemLibrary(name: "CLua", providers: [.apt(["liblua5.4-dev"])]),
        .target(name: "Vectors", swiftSettings: strict),
        .target(name: "VectorsBaseline", dependencies: ["Vectors"], swiftSettings: strict),
        .systemLibrary(name: "CPCRE2", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "CCompression", providers: [.apt(["zlib1g-dev", "libzstd-dev"])]),
        .systemLibrary(
            name: "CHashes", providers: [.apt(["libdeflate-dev", "libxxhash-dev", "libssl-dev"])]),
        .target(
            name: "CMemoryMap", dependencies: ["CPCRE2"],
            cSettings: [.define("_GNU_SOURCE"), .headerSearchPath("../CPCRE2")], linkerSettings: pcre2),
        .target(
            name: "MemoryMap",
            dependencies: ["CCompression", "CHashes", "CMemoryMap", "CPCRE2", "Vectors", "VectorsBaseline"],
            swiftSettings: strict, linkerSettings: hashes + compression),
        .target(name: "Pictures", dependencies: ["CMemoryMap", "MemoryMap"], swiftSettings: strict),
        .target(name: "CSimdjson", cxxSettings: simdjson),
        .target(
            name: "Tables", dependencies: ["CMemoryMap", "CSimdjson", "MemoryMap"],
            swiftSettings: strict + trusted),
        .target(
            name: "CLuaMap", dependencies: ["CLua", "CMemoryMap", "CPCRE2", "CSimdjson"],
            exclude: ["include/methods.def"],
            cSettings: [.define("_GNU_SOURCE")]
                + ["Runtime", "../CPCRE2", "../CCompiler/include"].map { .headerSearchPath($0) }),
        .target(
            name: "LuaMap",
            dependencies: [
                "CLua", "CLuaMap", "CMemoryMap", "CSimdjson", "MemoryMap", "Pictures", "Tables", "Vectors",
            ]
                + fastVectorNames,
            resources: [.embedInCode("Instruments/explain.lua")],
            swiftSettings: strict, linkerSettings: hidden),
        .target(
            name: "CHost", dependencies: ["CLua", "CLuaMap", "CMemoryMap"], exclude: ["Terminal/display.lua"],
            cSettings: [.define("_GNU_SOURCE")]
                + ["Lessons", "Limits", "Runtime", "Sandbox"].map { .headerSearchPath($0) }),
        .executableTarget(
            name: "mmaplua", dependencies: ["CLua", "CLuaMap", "CHost", "LuaMap"],
            resources: [.embedInCode("completion.lua"), .embedInCode("lesson.lua")],
            swiftSettings: strict,
            // Lua C modules do not link liblua; the executable exports its functions.
            linkerSettings: lua + runtime + [
                .unsafeFlags(["-Xlinker", "--export-dynamic", "-Xclang-linker", "-static-libgcc"])
            ]),
        .testTarget(
            name: "MemoryMapTests",
            dependencies: ["CHashes", "CMemoryMap", "CPCRE2", "Vectors", "VectorsBaseline", "MemoryMap"]
                + fastVectorNames,
            swiftSettings: tests),
        .testTarget(
            name: "TablesTests",
            dependencies: ["CCompression", "CMemoryMap", "CSimdjson", "MemoryMap", "Tables"],
            exclude: ["JSON/record.py", "JSON/recorded.txt"], swiftSettings: tests),
        .testTarget(
            name: "LuaMapTests", dependencies: ["CLua", "CLuaMap", "CMemoryMap", "LuaMap"], exclude: ["lua"],
            swiftSettings: tests, linkerSettings: lua),
        .testTarget(
            name: "EndToEndTests", dependencies: ["CMemoryMap", "mmaplua"], swiftSettings: tests),
    ],
    cLanguageStandard: .gnu11, cxxLanguageStandard: .gnucxx17
)

// The plug-in, and its tests. They are not in the program.
if let llvm {
    let headers = ["-Xcc", "-I\(llvm)/include"]
    package.products.append(.library(name: "mmap-compile", type: .static, targets: ["Compiler"]))
    package.targets += [
        .systemLibrary(name: "CLLVM", providers: [.apt(["llvm-19-dev"])]),
        .target(
            name: "CCompiler",
            cSettings: [
                .define("_GNU_SOURCE"), .headerSearchPath("../CMemoryMap/include"),
                .unsafeFlags(["-fno-math-errno"]),
            ]),
        .target(
            name: "Compiler", dependencies: ["CCompiler", "CLLVM"],
            swiftSettings: strict + trusted + [.unsafeFlags(headers)]),
        .testTarget(
            name: "CompilerTests", dependencies: ["CCompiler", "Compiler", "CLua", "CLLVM"],
            swiftSettings: tests + [.unsafeFlags(headers)],
            linkerSettings: lua + [.unsafeFlags(["-L\(llvm)/lib"]), .linkedLibrary("LLVM-19")]),
    ]
}

// The fuzzers. Only scripts/fuzz sets this variable. It builds in a separate folder, with the program as a library
// target.
if Context.environment["MMAPLUA_FUZZ"] != nil {
    package.products = [.executable(name: "fuzz", targets: ["Fuzz"])]
    package.targets.removeAll { $0.name == "mmaplua" || $0.isTest }
    package.targets += [
        .target(
            name: "mmaplua", dependencies: ["CLua", "CLuaMap", "CHost", "LuaMap"], exclude: ["main.swift"],
            resources: [.embedInCode("completion.lua"), .embedInCode("lesson.lua")], swiftSettings: strict),
        .target(
            name: "CFuzz", dependencies: ["CLua", "CLuaMap", "CPCRE2"], path: "Tests/fuzz/CFuzz",
            cSettings: [.define("_GNU_SOURCE")]
                + ["CLuaMap/Processes", "CLuaMap/Runtime", "CPCRE2"].map {
                    .headerSearchPath("../../../Sources/\($0)")
                }),
        .executableTarget(
            name: "Fuzz", dependencies: ["CFuzz", "CLua", "CLuaMap", "LuaMap", "MemoryMap", "mmaplua"],
            path: "Tests/fuzz/Fuzz", swiftSettings: strict, linkerSettings: lua),
    ]
}
