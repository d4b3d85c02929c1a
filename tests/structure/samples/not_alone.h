// A header that leans on others to include <vector>: what headers_test must refuse.
#ifndef ATTENDANT_TESTS_STRUCTURE_SAMPLES_NOT_ALONE_H_
#define ATTENDANT_TESTS_STRUCTURE_SAMPLES_NOT_ALONE_H_

inline std::vector<int> NotAlone() { return {}; }

#endif  // ATTENDANT_TESTS_STRUCTURE_SAMPLES_NOT_ALONE_H_
