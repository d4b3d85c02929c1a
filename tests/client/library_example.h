// The functions of library_example.cc, for the test that runs them. Thread-safety: as the Client they are given.
#ifndef ATTENDANT_TESTS_CLIENT_LIBRARY_EXAMPLE_H_
#define ATTENDANT_TESTS_CLIENT_LIBRARY_EXAMPLE_H_

#include "client/lib/client.h"

bool CompareTwoTexts(attendant::client::Client& connection);
absl::StatusOr<attendant::client::BulkSummary> EmbedManyTexts(attendant::client::Client& connection, int count);

#endif  // ATTENDANT_TESTS_CLIENT_LIBRARY_EXAMPLE_H_
