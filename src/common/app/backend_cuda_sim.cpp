#include "common/app/backend.h"

namespace attnunet {

ATTNUNET_BACKEND(, CudaSim)

}  // namespace attnunet
