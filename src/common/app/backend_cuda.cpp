#include "common/app/backend.h"

namespace attnunet {

#ifdef ATTNUNET_HAVE_CUDA
ATTNUNET_BACKEND(, Cuda)
#endif

}  // namespace attnunet
