#include "support/layer_cases.h"

namespace attnunet {

ATTNUNET_DOUBLE_NETWORK(, CudaSim)

namespace gradcheck {

ATTNUNET_LAYER_CASES(, CudaSim)

}  // namespace gradcheck
}  // namespace attnunet
