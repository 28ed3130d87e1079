// Rows of our own tables by a column that is no key, over all partitions. As table.hpp.
#pragma once

#include "pg/table.hpp"

namespace hc::pg {

namespace detail {

// As begin_find, without locks; finds by the first column of an index, which has to be there in every partition.
Finder *begin_search(const TableShape &shape, ColumnNumbers &numbers, const char *column, const Oid *key_type);
void search_rows(Finder &finder, const Param *key);

} // namespace detail

// SELECT columns FROM table WHERE column = ..., key after key, in no order.
template <class Row, class K>
class table_search {
public:
    static constexpr int kColumns = std::tuple_size_v<decltype(std::declval<Row &>().fields())>;

    constexpr table_search(const char *table, const std::array<const char *, kColumns> &columns, const char *column)
        : table_(table), columns_(columns), column_(column) {}

    std::vector<Row> run(const std::vector<K> &keys) {
        const detail::FoundRows found = call([&]() -> detail::FoundRows {
            const detail::TableShape shape{table_, columns_.data(), detail::kRowTypes<Row>.data(), kColumns, 0};
            detail::Finder &finder = *detail::begin_search(shape, numbers_, column_, &kKeyType);
            for (const K &key : keys) {
                const Param param = param_of<K>::make(key);
                detail::search_rows(finder, &param);
            }
            return detail::end_find(finder);
        });
        return detail::take_rows<Row>(found);
    }

private:
    static constexpr Oid kKeyType = type_of<K>::kOid;
    const char *table_;
    std::array<const char *, kColumns> columns_;
    const char *column_;
    detail::ColumnNumbers numbers_{};
};

} // namespace hc::pg
