// Statistics of paired differences: one number per document, documents being the sampling unit.
#pragma once

#include <cstdint>
#include <vector>

namespace halftone::eval {

/// A measure of one setting minus that of another, document by document.
struct PairedDifferences {
  std::vector<double> values;
  std::vector<int> stratum;  ///< scenario of each document; empty: one stratum
};

/// How often to draw, and from which random numbers (Philox).
struct Resampling {
  int resamples = 10000;
  std::uint64_t seed = 0;
};

struct Interval {
  double low = 0.0, high = 0.0;
};

/// Mean over the strata of the means within them. Throws InvalidArgument: no values, a stratum for some values only.
double stratified_mean(const PairedDifferences& differences);

/// Stratified means of resampled documents (with replacement, within their stratum), ascending.
/// Throws as stratified_mean does, and for fewer than one resample.
std::vector<double> bootstrap_means(const PairedDifferences& differences, const Resampling& resampling = {});

/// The middle `confidence` of bootstrap means (Efron, Tibshirani: "An introduction to the bootstrap", 1993, percentile
/// method). Throws InvalidArgument: a confidence outside (0, 1), no means.
Interval percentile_interval(const std::vector<double>& ascending_means, double confidence = 0.95);

/// Two-sided p-value of the hypothesis that differences are symmetric about 0: the share of sign patterns whose
/// stratified mean is at least as far from 0. All 2^n patterns where those are at most `resamples`; otherwise random
/// ones, counting the observed pattern among them (Phipson, Smyth, 2010), so that p is never 0.
double sign_flip_p(const PairedDifferences& differences, const Resampling& resampling = {});

/// p-value of two one-sided tests (Schuirmann, 1987) that |mean| < margin, from bootstrap means: the larger share
/// beyond either margin. Below alpha exactly when the (1 - 2 alpha) percentile interval lies within the margins.
/// Throws InvalidArgument: a margin that is not positive, no means.
double equivalence_p(const std::vector<double>& ascending_means, double margin);

/// Holm's step-down adjustment of a family of p-values (1979), in their order.
std::vector<double> holm_adjusted(const std::vector<double>& p_values);

}  // namespace halftone::eval
