internal import CMemoryMap
public struct MappedRegion { public init() {} }
