// How fast this CPU multiplies in each precision, measured: which instructions exist says little about their rate.
#ifndef ATTENDANT_ENGINE_KERNELS_RATES_H_
#define ATTENDANT_ENGINE_KERNELS_RATES_H_

#include "engine/kernels/kernels.h"

namespace attendant::kernels {

// Billions of multiplications and additions per second of one thread.
struct Rates {
  double fp32 = 0;
  double bf16 = 0;
  double int8 = 0;
};

// Some hundred microseconds: products that fit in L1 and L2, the fastest of several.
Rates MeasureRates(const KernelTable& table);
double MeasureBf16Rate(const KernelTable& table);

}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_RATES_H_
