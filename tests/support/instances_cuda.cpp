#include "support/layer_cases.h"

#ifdef ATTNUNET_TEST_CUDA
namespace attnunet {

ATTNUNET_DOUBLE_NETWORK(, Cuda)

namespace gradcheck {

ATTNUNET_LAYER_CASES(, Cuda)

}  // namespace gradcheck
}  // namespace attnunet
#endif
