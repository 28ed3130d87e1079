// See sql_text.hpp. Runs in backends.
#include "pg/sql_text.hpp"

#include "pg/boundary.hpp"
#include "pg/xact.hpp"

namespace hc::pg {

namespace {

enum class Form : std::uint8_t { expression, statements, clauses, list, named, star, parameter };

#if PG_VERSION_NUM < 160000
using WalkerCallback = bool (*)();
#endif

bool has_parameter(Node *node, void *context) {
    if (node == nullptr) {
        return false;
    }
    if (IsA(node, ParamRef)) {
        return true;
    }
#if PG_VERSION_NUM < 160000
    return raw_expression_tree_walker(
        node, reinterpret_cast<WalkerCallback>(reinterpret_cast<void (*)()>(has_parameter)), context);
#else
    return raw_expression_tree_walker(node, has_parameter, context);
#endif
}

bool plain(const SelectStmt *s) {
    return s->op == SETOP_NONE && s->distinctClause == NIL && s->intoClause == nullptr && s->fromClause == NIL &&
           s->whereClause == nullptr && s->groupClause == NIL && s->havingClause == nullptr && s->windowClause == NIL &&
           s->valuesLists == NIL && s->sortClause == NIL && s->limitOffset == nullptr && s->limitCount == nullptr &&
           s->lockingClause == NIL && s->withClause == nullptr;
}

// Inside pg::call. What the parser takes for an expression of PL/pgSQL is a query without its first word.
Form form_of(const char *text) {
    List *parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
    if (list_length(parsed) != 1) {
        return Form::statements;
    }
    Node *node = linitial_node(RawStmt, parsed)->stmt;
    if (!IsA(node, SelectStmt)) {
        return Form::statements;
    }
    auto *select = reinterpret_cast<SelectStmt *>(node);
    if (!plain(select)) {
        return Form::clauses;
    }
    if (list_length(select->targetList) != 1) {
        return Form::list;
    }
    auto *target = linitial_node(ResTarget, select->targetList);
    if (target->name != nullptr || target->indirection != NIL) {
        return Form::named;
    }
    if (IsA(target->val, ColumnRef) && IsA(llast(reinterpret_cast<ColumnRef *>(target->val)->fields), A_Star)) {
        return Form::star;
    }
    return has_parameter(target->val, nullptr) ? Form::parameter : Form::expression;
}

const char *reason_of(Form form) {
    switch (form) {
    case Form::expression:
        return "";
    case Form::statements:
        return "must be an expression, not a statement";
    case Form::clauses:
        return "must be an expression without clauses of a query around it";
    case Form::list:
        return "must be one expression, not a list";
    case Form::named:
        return "must be an expression without a name";
    case Form::star:
        return "must be one expression, not all columns";
    case Form::parameter:
        return "must not have parameters";
    }
    return "";
}

} // namespace

// Alone and in parentheses: what is an expression only in one of the two ways closes or opens more than it should.
std::string why_no_expression(const std::string &text) {
    std::string reason;
    Failure failure;
    const bool parsed = subtransaction::run(
        [&] {
            const int level = call([] {
                const int nest = NewGUCNestLevel(); // as where it will run
                set_config_option("standard_conforming_strings", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                                  true, 0, false);
                return nest;
            });
            for (const std::string &form : {"(" + text + "\n)", text}) {
                if (reason.empty()) {
                    reason = reason_of(call([&form] { return form_of(form.c_str()); }));
                }
            }
            call([level] { AtEOXact_GUC(true, level); });
        },
        failure);
    const std::string message = failure.message;
    return parsed ? reason : message.substr(0, message.find('\n'));
}

} // namespace hc::pg
