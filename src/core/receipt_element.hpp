// One element of a payload, and the document around it, asked for the fields of a connector. Private to src/core.
#pragma once

#include "core/connector.hpp"
#include "core/send_window.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

// A JSON value whose members are found by comparing, not by reading it again and again.
class JsonMembers {
public:
    explicit JsonMembers(std::string_view json);

    std::string_view text() const { return json_; }
    std::optional<std::string_view> find(const JsonPath &path) const;

    // The same, remembered: a document is asked for the same paths by each of its elements.
    std::optional<std::string_view> find_once(const JsonPath &path) const;

private:
    std::string_view json_;
    std::vector<std::pair<std::string, std::string_view>> members_;
    mutable std::map<const JsonPath *, std::optional<std::string_view>> found_;
};

class ElementReader {
public:
    ElementReader(const Section &section, const JsonMembers &root, const JsonMembers &element)
        : section_(section), root_(root), element_(element) {}

    // The first source of the field that has a value gives it.
    std::optional<std::string> text(Field field) const;
    std::optional<Time> time(Field field, const ZoneOffset &zone) const;
    std::optional<std::int64_t> integer(Field field) const;

    bool holds(const Condition &condition) const;

private:
    std::optional<std::string_view> find(const DocumentPath &path) const;
    std::optional<std::string> read(const FieldSource &source) const;

    const Section &section_;
    const JsonMembers &root_;
    const JsonMembers &element_;
};

} // namespace hc::core
