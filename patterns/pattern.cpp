#include "halftone/patterns/pattern.hpp"
