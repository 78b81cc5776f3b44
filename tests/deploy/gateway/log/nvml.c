/* A stand-in for NVIDIA's libnvidia-ml.so.1: one GPU, which is lost while the file named by GPU_LOST exists. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, GPU_IS_LOST = 15 };

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;

static int initialized = 0;

static int is_lost(void) { return access(getenv("GPU_LOST"), F_OK) == 0; }

static int state(void) {
    if (is_lost()) {
        initialized = 0;
        return GPU_IS_LOST;
    }
    return initialized ? SUCCESS : UNINITIALIZED;
}

int nvmlInitWithFlags(unsigned int flags) {
    initialized = !is_lost();
    return flags ? INVALID_ARGUMENT : state();
}
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int error) { return error == GPU_IS_LOST ? "GPU is lost" : "other"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 1; return state(); }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **gpu) { *gpu = gpu + index; return state(); }
int nvmlDeviceGetName(void *gpu, char *name, unsigned int length) { (void)gpu; strncpy(name, "Test GPU", length); return state(); }
int nvmlDeviceGetMemoryInfo(void *gpu, memory_t *memory) { (void)gpu; *memory = (memory_t){8ULL << 30, 6ULL << 30, 2ULL << 30}; return state(); }
int nvmlDeviceGetUtilizationRates(void *gpu, utilization_t *rates) { (void)gpu; *rates = (utilization_t){37, 11}; return state(); }
