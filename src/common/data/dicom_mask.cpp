#include "common/data/dicom_mask.h"

#include "common/data/dicom_file.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmdata/dcwcache.h>

#include <array>
#include <cstdio>
#include <mutex>
#include <vector>

#include "common/core/build.h"
#include "common/core/quoting.h"
#include "common/io/atomic_file.h"
#endif

namespace attnunet::data {
namespace fs = std::filesystem;

#ifndef ATTNUNET_HAVE_DCMTK

DicomUids new_dicom_uids() {
  return {};
}

void write_dicom_mask(const fs::path&, const Grey&, const DicomMaskSource& source) {
  throw no_dcmtk(source.file);
}

#else

namespace {

std::string new_uid(const char* root) {
  static std::mutex one_at_a_time;  // DCMTK counts without a lock
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  char uid[65];
  return dcmGenerateUniqueIdentifier(uid, root);
}

/// Sets attributes. Throws Error, which tells no value, if one cannot be set.
class Writer {
 public:
  Writer(DcmItem& item, const fs::path& path) : item_(item), path_(path) {}

  void text(const DcmTagKey& tag, const std::string& value) { check(item_.putAndInsertString(tag, value.c_str())); }
  void whole(const DcmTagKey& tag, int value) { check(item_.putAndInsertUint16(tag, static_cast<Uint16>(value))); }
  void bytes(const DcmTagKey& tag, const std::vector<std::uint8_t>& value) {
    check(item_.putAndInsertUint8Array(tag, value.data(), value.size()));
  }
  void empty(const DcmTagKey& tag) { check(item_.insertEmptyElement(tag)); }
  /// The same value, which may be absent.
  void copy(const DcmTagKey& tag, DcmItem& from) {
    if (from.tagExists(tag)) check(from.findAndInsertCopyOfElement(tag, &item_));
  }
  DcmItem& new_item(const DcmTagKey& sequence) {
    DcmItem* item = nullptr;
    check(item_.findOrCreateSequenceItem(sequence, item, -2));
    return *item;
  }
  void check(const OFCondition& status) const {
    if (status.bad()) throw Error("cannot write " + quoted(path_) + ": " + status.text());
  }

 private:
  DcmItem& item_;
  const fs::path& path_;
};

void write_identity(Writer& writer, DcmItem& from, const DicomMaskSource& source) {
  const std::array required = {DCM_PatientName, DCM_PatientID,       DCM_PatientBirthDate,
                               DCM_PatientSex,  DCM_StudyDate,       DCM_StudyTime,
                               DCM_StudyID,     DCM_AccessionNumber, DCM_ReferringPhysicianName};
  for (const DcmTagKey& tag : required) writer.empty(tag);
  writer.text(DCM_StudyInstanceUID, source.uids.study);
  if (source.anonymous) {
    writer.text(DCM_PatientIdentityRemoved, "YES");
    writer.text(DCM_DeidentificationMethod, "Nothing of patient, study and source was copied");
    return;
  }
  writer.copy(DCM_SpecificCharacterSet, from);  // in which the texts below are written
  for (const DcmTagKey& tag : required) writer.copy(tag, from);
  for (const DcmTagKey& tag : {DCM_IssuerOfPatientID, DCM_StudyDescription, DCM_TimezoneOffsetFromUTC, DCM_Laterality})
    writer.copy(tag, from);
  if (!text_of(from, DCM_StudyInstanceUID).empty()) writer.copy(DCM_StudyInstanceUID, from);
  const std::string kind = text_of(from, DCM_SOPClassUID), instance = text_of(from, DCM_SOPInstanceUID);
  if (kind.empty() || instance.empty()) return;
  DcmItem& item = writer.new_item(DCM_SourceImageSequence);
  writer.check(item.putAndInsertString(DCM_ReferencedSOPClassUID, kind.c_str()));
  writer.check(item.putAndInsertString(DCM_ReferencedSOPInstanceUID, instance.c_str()));
  if (from.tagExists(DCM_NumberOfFrames))
    writer.check(item.putAndInsertString(DCM_ReferencedFrameNumber, std::to_string(source.frame).c_str()));
}

void write_series_and_image(Writer& writer, DcmItem& from, const DicomMaskSource& source) {
  writer.text(DCM_SOPClassUID, UID_SecondaryCaptureImageStorage);
  writer.text(DCM_SOPInstanceUID, new_uid(SITE_INSTANCE_UID_ROOT));
  writer.text(DCM_SeriesInstanceUID, source.uids.series);
  writer.empty(DCM_SeriesNumber);
  writer.text(DCM_SeriesDescription, "Lesion mask");
  const std::string modality = text_of(from, DCM_Modality);
  writer.text(DCM_Modality, modality.empty() ? "OT" : modality);
  writer.text(DCM_ConversionType, "WSD");  // a workstation made it
  writer.text(DCM_Manufacturer, dicom_manufacturer);
  writer.text(DCM_SoftwareVersions, version);
  writer.text(DCM_InstanceNumber, std::to_string(source.frame));
  writer.empty(DCM_PatientOrientation);
  writer.text(DCM_ImageType, "DERIVED\\SECONDARY");
  writer.text(DCM_DerivationDescription, "Lesion mask predicted by a network: 255 inside, 0 outside");
  writer.text(DCM_BurnedInAnnotation, "NO");
  OFString date, time;
  DcmDate::getCurrentDate(date);
  DcmTime::getCurrentTime(time);
  writer.text(DCM_ContentDate, date.c_str());
  writer.text(DCM_ContentTime, time.c_str());
  if (source.mm_per_row > 0 && source.mm_per_column > 0) {
    char spacing[40];  // each of up to 16 characters
    std::snprintf(spacing, sizeof spacing, "%.9g\\%.9g", source.mm_per_row, source.mm_per_column);
    writer.text(DCM_PixelSpacing, spacing);
  }
}

void write_pixels(Writer& writer, const Grey& mask) {
  writer.whole(DCM_SamplesPerPixel, 1);
  writer.text(DCM_PhotometricInterpretation, "MONOCHROME2");
  writer.whole(DCM_Rows, mask.height);
  writer.whole(DCM_Columns, mask.width);
  writer.whole(DCM_BitsAllocated, 8);
  writer.whole(DCM_BitsStored, 8);
  writer.whole(DCM_HighBit, 7);
  writer.whole(DCM_PixelRepresentation, 0);
  writer.text(DCM_WindowCenter, "128");
  writer.text(DCM_WindowWidth, "256");
  writer.bytes(DCM_PixelData, mask.pixels);
}

}  // namespace

DicomUids new_dicom_uids() {
  return {new_uid(SITE_STUDY_UID_ROOT), new_uid(SITE_SERIES_UID_ROOT)};
}

void write_dicom_mask(const fs::path& path, const Grey& mask, const DicomMaskSource& source) {
  const std::unique_ptr<DcmFileFormat> from = open_dicom(source.file);
  DcmFileFormat file;
  Writer writer(*file.getDataset(), path);
  write_identity(writer, *from->getDataset(), source);
  write_series_and_image(writer, *from->getDataset(), source);
  write_pixels(writer, mask);
  writer.check(file.validateMetaInfo(EXS_LittleEndianExplicit));

  constexpr std::size_t preamble = 132;
  std::vector<std::uint8_t> bytes(file.calcElementLength(EXS_LittleEndianExplicit, EET_ExplicitLength) + preamble);
  DcmOutputBufferStream stream(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  DcmWriteCache cache;
  file.transferInit();
  writer.check(file.write(stream, EXS_LittleEndianExplicit, EET_ExplicitLength, &cache));
  file.transferEnd();
  void* begin = nullptr;
  offile_off_t length = 0;
  stream.flushBuffer(begin, length);
  AtomicFile target(path, Durability::unsynced);
  target.write(begin, static_cast<std::size_t>(length));
  target.commit();
}

#endif

}  // namespace attnunet::data
