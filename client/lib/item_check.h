// What can be said about an item before it is sent: its size on the wire, and faults that would fail its neighbours.
//
// It is not the server's validation (which is the authority): only what protobuf itself would refuse for a whole
// message (text that is not UTF-8) or what no server limit could let through.
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_LIB_ITEM_CHECK_H_
#define ATTENDANT_CLIENT_LIB_ITEM_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/lib/types.h"

namespace attendant::client {

// An upper bound of the item's bytes in a request.
int64_t WireBytes(const Item& item);

// An upper bound of the tokens that the item can become, special tokens included.
int64_t MaxTokens(const Item& item);

// OK, or INVALID_ARGUMENT that says what is wrong. max_message_bytes <= 0: no limit known.
absl::Status CheckItem(const Item& item, int64_t max_message_bytes);

// A server names items by their place in the message it got ("items[3].text"); the caller knows them by another place.
void RenumberItem(int64_t from, int64_t to, absl::Status* status, std::string* field);

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_ITEM_CHECK_H_
