#include "support/vectors.h"

ATTNUNET_VECTORS()
