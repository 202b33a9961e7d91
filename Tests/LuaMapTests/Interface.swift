/// What the suites share that must reach every function: what there is, and what was called.
enum Interface {
    static let tools = """
        -- Adds the functions of a class to `places`: by "class.name" a list of a table and the key in it.
        function add_class(places, class, meta)
          for _, functions in ipairs { meta, rawget(meta, "__methods") } do
            for name, f in pairs(functions) do
              if type(f) == "function" then
                local key = class .. "." .. name
                places[key] = places[key] or {}
                table.insert(places[key], { functions, name })
              end
            end
          end
          return places
        end
        -- Where the functions of the library stand. The classes are those of the registry, so that a new one is seen;
        -- a record's belongs to its layout: those are given.
        function interface(...)
          local places = {}
          add_class(places, "mmap", debug.getmetatable(mmap).__index)
          for key, meta in pairs(debug.getregistry()) do
            local class = type(key) == "string" and key:match "^mmap%.(%a+)$"
            if class and type(meta) == "table" and rawget(meta, "__name") then add_class(places, class, meta) end
          end
          for _, record in ipairs { ... } do add_class(places, "record", debug.getmetatable(record)) end
          -- If the registry were not what it is here, nothing would be seen.
          for class in ("buffer view records struct regex pages atomic lock child error"):gmatch "%a+" do
            assert(places[class .. ".__tostring"], class .. " is no class any more")
          end
          return places
        end
        -- Puts a function that keeps count in the place of each; the table in which it does.
        function traced(places, calls)
          calls = calls or {}
          for key, list in pairs(places) do
            calls[key] = calls[key] or 0
            for _, place in ipairs(list) do
              local f = rawget(place[1], place[2])
              rawset(place[1], place[2], function(...) calls[key] = calls[key] + 1; return f(...) end)
            end
          end
          return calls
        end
        -- Node's accessors are many and alike.
        function is_accessor(key) return key:find "^buffer%.read%u" or key:find "^buffer%.write%u" end

        """
}
