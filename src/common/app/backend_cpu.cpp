#include "common/app/backend.h"

namespace attnunet {

ATTNUNET_BACKEND(, Cpu)

}  // namespace attnunet
