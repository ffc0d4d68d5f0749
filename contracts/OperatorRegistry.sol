// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";

/// @title Registry of the operators of compute parties
/// @dev A bond leaves to the operator that posted it, or by {slash} on the word of the contract of disputes, which
/// judges proofs alone. Nobody else has power over it.
contract OperatorRegistry is IOperatorRegistry, EIP712 {
    /**
     * Everything that a job's creation reads of an operator is the first slot:
     *
     * ```
     * slot 0: [ status 8 | registration 8 | feeWei 80 | signer 160 ]
     * slot 1: [ free 120 | withdrawableAtSec 40 | bondWei 96 ]
     * slot 2, 3, 4: sealKey, channelKey, jiffKey
     * slot 5: endpoint
     * ```
     *
     * `registration` counts how often the account has registered, and alone outlives the bond: what an operator
     * approved before it left is told apart from what it approves now.
     */
    struct Record {
        address signer;
        uint80 feeWei;
        uint8 registration;
        OperatorStatus status;
        uint96 bondWei;
        uint40 withdrawableAtSec;
        bytes32 sealKey;
        bytes32 channelKey;
        bytes32 jiffKey;
        string endpoint;
    }

    struct TokenFee {
        /// In which the token was accepted; 0 for never.
        uint8 registration;
        uint88 fee;
    }

    bytes32 private constant POSSESSION_TYPE =
        keccak256("ProofOfPossession(address operator,address signer)");
    uint256 private constant MAX_ENDPOINT_BYTES = 255;
    uint256 private constant REGISTRATION_BITS = 8;
    /// @dev A bond's part that does not go to who proved the offence goes to where nobody can fetch it.
    address private constant BURNT = 0x000000000000000000000000000000000000dEaD;
    uint256 private constant REWARD_DIVISOR = 10;
    /// @dev Many times what a wallet that is a contract needs to take its reward.
    uint256 private constant REWARD_GAS = 500_000;

    /// @inheritdoc IOperatorRegistry
    uint256 public immutable minBondWei;
    /// @inheritdoc IOperatorRegistry
    uint256 public immutable unbondingSec;
    /// @inheritdoc IOperatorRegistry
    address public immutable slasher;

    mapping(address operator => Record) private _records;
    mapping(address operator => mapping(address token => TokenFee)) private _tokenFees;
    /// @dev By keccak256(set, algorithm), of each member the registration in which it approved, in the place of its
    /// point: a job's creation reads one slot instead of three.
    mapping(bytes32 key => uint256) private _approvals;
    mapping(bytes32 operatorSet => address[3]) private _sets;
    /// @inheritdoc IOperatorRegistry
    mapping(address signer => address operator) public operatorOf;

    /// @param minBondWei_ Smallest bond, at most 2^96 - 1.
    /// @param unbondingSec_ Delay between {requestUnbond} and {withdrawBond}. A value above the longest life of a
    /// job (30 days, the grace after it, the challenge window, and the time for an answer to a challenge) keeps a bond
    /// within reach as long as the jobs it stands for.
    /// @param slasher_ Deployed after this, so its address is computed before.
    constructor(uint96 minBondWei_, uint32 unbondingSec_, address slasher_) EIP712("Symbolon", "1") {
        minBondWei = minBondWei_;
        unbondingSec = unbondingSec_;
        slasher = slasher_;
    }

    /// @inheritdoc IOperatorRegistry
    function register(
        OperatorKeys calldata keys,
        string calldata endpoint,
        uint80 feeWei,
        bytes32[2] calldata possession
    ) external payable {
        Record storage record = _records[msg.sender];
        if (record.status != OperatorStatus.None) revert AlreadyRegistered(msg.sender);
        if (msg.value < minBondWei || msg.value > type(uint96).max) revert BondTooSmall(msg.value, minBondWei);
        if (record.registration == type(uint8).max) revert RegistrationsUsedUp(msg.sender);
        record.registration += 1;
        record.status = OperatorStatus.Active;
        record.bondWei = uint96(msg.value);
        _write(record, keys, endpoint, feeWei, possession);
        emit OperatorRegistered(
            msg.sender, keys.signer, keys.sealKey, keys.channelKey, keys.jiffKey, endpoint, feeWei, msg.value
        );
    }

    /// @inheritdoc IOperatorRegistry
    function update(
        OperatorKeys calldata keys,
        string calldata endpoint,
        uint80 feeWei,
        bytes32[2] calldata possession
    ) external {
        _write(_registered(msg.sender), keys, endpoint, feeWei, possession);
        emit OperatorUpdated(
            msg.sender, keys.signer, keys.sealKey, keys.channelKey, keys.jiffKey, endpoint, feeWei
        );
    }

    /// @inheritdoc IOperatorRegistry
    function approve(bytes32 operatorSet, bytes32 algorithm) external {
        _setApproval(operatorSet, algorithm, _registered(msg.sender).registration);
        emit AlgorithmApproved(msg.sender, operatorSet, algorithm);
    }

    /// @inheritdoc IOperatorRegistry
    function revoke(bytes32 operatorSet, bytes32 algorithm) external {
        _registered(msg.sender);
        _setApproval(operatorSet, algorithm, 0);
        emit AlgorithmRevoked(msg.sender, operatorSet, algorithm);
    }

    /// @inheritdoc IOperatorRegistry
    function acceptToken(address token, uint88 fee) external {
        _tokenFees[msg.sender][token] = TokenFee(_registered(msg.sender).registration, fee);
        emit TokenAccepted(msg.sender, token, fee);
    }

    /// @inheritdoc IOperatorRegistry
    function refuseToken(address token) external {
        _registered(msg.sender);
        delete _tokenFees[msg.sender][token];
        emit TokenRefused(msg.sender, token);
    }

    /// @inheritdoc IOperatorRegistry
    function pause() external {
        Record storage record = _registered(msg.sender);
        if (record.status != OperatorStatus.Active) revert NotActive(msg.sender);
        record.status = OperatorStatus.Paused;
        emit OperatorPaused(msg.sender);
    }

    /// @inheritdoc IOperatorRegistry
    function resume() external {
        Record storage record = _registered(msg.sender);
        if (record.status != OperatorStatus.Paused) revert NotPaused(msg.sender);
        record.status = OperatorStatus.Active;
        emit OperatorResumed(msg.sender);
    }

    /// @inheritdoc IOperatorRegistry
    function requestUnbond() external {
        Record storage record = _registered(msg.sender);
        if (record.status == OperatorStatus.Leaving) revert AlreadyLeaving(msg.sender);
        if (record.status == OperatorStatus.Slashed) revert NotActive(msg.sender);
        uint256 withdrawableAtSec = block.timestamp + unbondingSec;
        record.status = OperatorStatus.Leaving;
        record.withdrawableAtSec = uint40(withdrawableAtSec);
        emit OperatorRetired(msg.sender, withdrawableAtSec);
    }

    /// @inheritdoc IOperatorRegistry
    function withdrawBond() external {
        Record storage record = _registered(msg.sender);
        uint256 withdrawableAtSec = record.withdrawableAtSec;
        if (record.status != OperatorStatus.Leaving) revert BondLocked(type(uint256).max);
        if (block.timestamp < withdrawableAtSec) revert BondLocked(withdrawableAtSec);
        uint256 bondWei = record.bondWei;
        uint8 registration = record.registration;
        delete _records[msg.sender];
        record.registration = registration;
        emit BondWithdrawn(msg.sender, bondWei);
        _pay(msg.sender, bondWei);
    }

    /// @inheritdoc IOperatorRegistry
    function slash(address operator, address beneficiary) external returns (uint256 bondWei) {
        if (msg.sender != slasher) revert NotSlasher(msg.sender);
        Record storage record = _records[operator];
        bondWei = record.bondWei;
        // One that has withdrawn its bond has no record, and may register again.
        if (bondWei == 0) return 0;
        record.bondWei = 0;
        record.status = OperatorStatus.Slashed;
        uint256 rewardWei = bondWei / REWARD_DIVISOR;
        emit OperatorSlashed(operator, beneficiary, bondWei, rewardWei);
        // A beneficiary that refuses its reward, or would take all gas with it, must not save the bond.
        (bool taken,) = beneficiary.call{value: rewardWei, gas: REWARD_GAS}("");
        if (!taken) rewardWei = 0;
        _pay(BURNT, bondWei - rewardWei);
    }

    /// @inheritdoc IOperatorRegistry
    function createSet(address[3] calldata members) external returns (bytes32 operatorSet) {
        _requireDistinct(members);
        for (uint256 i; i < 3; ++i) {
            if (_records[members[i]].status != OperatorStatus.Active) revert OperatorInactive(members[i]);
        }
        operatorSet = MarketHashes.operatorSet(members);
        if (setExists(operatorSet)) return operatorSet;
        _sets[operatorSet] = members;
        emit SetCreated(operatorSet, members);
    }

    /// @inheritdoc IOperatorRegistry
    function quoteSet(address[3] calldata members, bytes32 algorithm, address token)
        external
        view
        returns (bytes32 operatorSet, address[3] memory signers, uint256 fees)
    {
        operatorSet = MarketHashes.operatorSet(members);
        uint256 current;
        for (uint256 i; i < 3; ++i) {
            address member = members[i];
            Record storage record = _records[member];
            if (record.status != OperatorStatus.Active) revert OperatorInactive(member);
            current |= uint256(record.registration) << (i * REGISTRATION_BITS);
            signers[i] = record.signer;
            fees += token == address(0) ? record.feeWei : _feeIn(member, record, token);
        }
        // Only members of a set that was created can approve anything in it.
        if (_approvals[_approvalKey(operatorSet, algorithm)] != current) {
            revert AlgorithmNotApproved(operatorSet, algorithm, approvals(operatorSet, algorithm));
        }
    }

    /// @inheritdoc IOperatorRegistry
    function operators(address operator) external view returns (Operator memory) {
        Record storage record = _records[operator];
        return Operator({
            status: record.status,
            keys: OperatorKeys(record.signer, record.sealKey, record.channelKey, record.jiffKey),
            feeWei: record.feeWei,
            bondWei: record.bondWei,
            withdrawableAtSec: record.withdrawableAtSec,
            endpoint: record.endpoint
        });
    }

    /// @inheritdoc IOperatorRegistry
    function approvals(bytes32 operatorSet, bytes32 algorithm) public view returns (uint256 approved) {
        uint256 registrations = _approvals[_approvalKey(operatorSet, algorithm)];
        for (uint256 i; i < 3; ++i) {
            Record storage record = _records[_sets[operatorSet][i]];
            if (_isCurrent(uint8(registrations >> (i * REGISTRATION_BITS)), record)) approved |= 1 << i;
        }
    }

    /// @inheritdoc IOperatorRegistry
    function isApproved(address operator, bytes32 operatorSet, bytes32 algorithm) external view returns (bool) {
        return approvals(operatorSet, algorithm) & (1 << _place(operatorSet, operator)) != 0;
    }

    /// @inheritdoc IOperatorRegistry
    function tokenFee(address operator, address token) external view returns (bool accepted, uint88 fee) {
        TokenFee storage stored = _tokenFees[operator][token];
        accepted = _isCurrent(stored.registration, _records[operator]);
        if (accepted) fee = stored.fee;
    }

    /// @inheritdoc IOperatorRegistry
    function setMembers(bytes32 operatorSet) external view returns (address[3] memory) {
        if (!setExists(operatorSet)) revert SetUnknown(operatorSet);
        return _sets[operatorSet];
    }

    /// @inheritdoc IOperatorRegistry
    function setExists(bytes32 operatorSet) public view returns (bool) {
        return _sets[operatorSet][0] != address(0);
    }

    function _write(
        Record storage record,
        OperatorKeys calldata keys,
        string calldata endpoint,
        uint80 feeWei,
        bytes32[2] calldata possession
    ) private {
        if (
            keys.signer == address(0) || keys.sealKey == 0 || keys.channelKey == 0 || keys.jiffKey == 0
        ) revert KeyMissing();
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointInvalid(length);
        if (keys.signer != record.signer) _takeSigner(keys.signer, possession);
        record.signer = keys.signer;
        record.feeWei = feeWei;
        record.sealKey = keys.sealKey;
        record.channelKey = keys.channelKey;
        record.jiffKey = keys.jiffKey;
        record.endpoint = endpoint;
    }

    /// @dev Gives a signing account to the caller, for ever. What is signed names both accounts: nobody else can use a
    /// proof that it sees on its way, and none can be made up together with the account that it would recover to.
    function _takeSigner(address signer, bytes32[2] calldata possession) private {
        address taken = operatorOf[signer];
        if (taken != address(0) && taken != msg.sender) revert SignerTaken(signer, taken);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(POSSESSION_TYPE, msg.sender, signer)));
        // A malformed signature recovers to the zero address, which is nobody's signer.
        (address recovered,,) = ECDSA.tryRecover(digest, possession[0], possession[1]);
        if (recovered != signer) revert PossessionUnproven(msg.sender, signer);
        operatorOf[signer] = msg.sender;
    }

    function _registered(address operator) private view returns (Record storage record) {
        record = _records[operator];
        if (record.status == OperatorStatus.None) revert NotRegistered(operator);
    }

    function _feeIn(address operator, Record storage record, address token) private view returns (uint256) {
        TokenFee storage stored = _tokenFees[operator][token];
        if (!_isCurrent(stored.registration, record)) revert TokenNotAccepted(operator, token);
        return stored.fee;
    }

    /// @dev Notes the registration in which the caller approves, or 0.
    function _setApproval(bytes32 operatorSet, bytes32 algorithm, uint8 registration) private {
        uint256 shift = _place(operatorSet, msg.sender) * REGISTRATION_BITS;
        bytes32 key = _approvalKey(operatorSet, algorithm);
        uint256 others = _approvals[key] & ~(uint256(type(uint8).max) << shift);
        _approvals[key] = others | (uint256(registration) << shift);
    }

    /// @dev Whether what an operator said in a registration still counts; 0 stands for what it never said.
    function _isCurrent(uint8 registration, Record storage record) private view returns (bool) {
        return registration != 0 && registration == record.registration;
    }

    /// @dev The place of a member of a set that exists.
    function _place(bytes32 operatorSet, address operator) private view returns (uint256) {
        for (uint256 i; i < 3; ++i) {
            if (_sets[operatorSet][i] == operator) return i;
        }
        revert NotMember(operator, operatorSet);
    }

    function _approvalKey(bytes32 operatorSet, bytes32 algorithm) private pure returns (bytes32) {
        return keccak256(abi.encode(operatorSet, algorithm));
    }

    function _pay(address account, uint256 amountWei) private {
        if (!LowLevelCall.callNoReturn(account, amountWei, "")) revert PaymentFailed(account, amountWei);
    }

    function _requireDistinct(address[3] calldata members) private pure {
        if (members[0] == members[1] || members[0] == members[2]) revert MembersNotDistinct(members[0]);
        if (members[1] == members[2]) revert MembersNotDistinct(members[1]);
    }
}
