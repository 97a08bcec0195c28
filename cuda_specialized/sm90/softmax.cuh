// The softmax that all paths share.
#pragma once

#include "halftone/cuda_specialized/common/softmax.cuh"
